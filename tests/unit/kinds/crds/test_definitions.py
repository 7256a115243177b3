"""Definitions: structural, complete, and never of another mind than the structs they are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.unit.kinds.crds.structs import structs
from tests.unit.kinds.crds.validation import below_of, faults, validator
from xds.install.text import yaml_text
from xds.kinds.authored import Authored, Strict
from xds.kinds.crds.bounds import BOUNDS
from xds.kinds.crds.definitions import all_crds, crd
from xds.kinds.crds.schema import Unschematic, field_schema
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.registry import KINDS, to_plain
from xds.kinds.virtual_service import VirtualService

READ = [struct for struct in KINDS if struct.KIND.group.endswith("istio.io") and struct is not MeshConfig]
DEFINITIONS = {each["spec"]["names"]["kind"]: each for each in all_crds()}
SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.yaml"))
SERVED = {
    "AuthorizationPolicy": "v1 v1beta1",
    "DestinationRule": "v1 v1beta1 v1alpha3",
    "EnvoyFilter": "v1alpha3",
    "Gateway": "v1 v1beta1 v1alpha3",
    "PeerAuthentication": "v1 v1beta1",
    "ProxyConfig": "v1beta1",
    "RequestAuthentication": "v1 v1beta1",
    "ServiceEntry": "v1 v1beta1 v1alpha3",
    "Sidecar": "v1 v1beta1 v1alpha3",
    "Telemetry": "v1 v1alpha1",
    "TrafficExtension": "v1alpha1",
    "VirtualService": "v1 v1beta1 v1alpha3",
    "WasmPlugin": "v1alpha1",
    "WorkloadEntry": "v1 v1beta1 v1alpha3",
    "WorkloadGroup": "v1 v1beta1 v1alpha3",
}


def whole(definition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for version in definition["spec"]["versions"]:
        yield version["schema"]["openAPIV3Schema"]


def test_the_versions_are_those_of_istio() -> None:
    served = {kind: [version["name"] for version in each["spec"]["versions"]] for kind, each in DEFINITIONS.items()}
    assert served == {kind: versions.split() for kind, versions in SERVED.items()}
    stored = {
        kind: [version["name"] for version in each["spec"]["versions"] if version["storage"]]
        for kind, each in DEFINITIONS.items()
    }
    newest = {kind: versions.split()[:1] for kind, versions in SERVED.items()}
    assert stored == newest | {"Telemetry": ["v1alpha1"]}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_schemas_are_structural_and_described(kind: str) -> None:
    for schema in whole(DEFINITIONS[kind]):
        assert list(faults(schema, kind)) == []
        bare = [path for path, below in fields_of(schema["properties"]["spec"]) if not below.get("description")]
        assert not bare
        assert schema["description"]


def fields_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, below in below_of(schema):
        if name != "[]":
            yield name, below
        yield from fields_of(below)


@pytest.mark.parametrize("struct", READ, ids=lambda struct: struct.KIND.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_valid_by_the_struct_is_valid_by_the_schema(struct: type[Authored], data: st.DataObject) -> None:
    spec_type = next(field.type for field in msgspec.structs.fields(struct) if field.name == "spec")
    spec = data.draw(structs(bare(spec_type)))
    plain = to_plain(struct(metadata={}, spec=spec))  # type: ignore[call-arg,arg-type]
    assert [error.message for error in spec_validator(struct).iter_errors(plain.get("spec", {}))] == []


@cache
def spec_validator(struct: type[Authored]) -> Draft202012Validator:
    return validator(field_schema(struct, "spec"))


def bare(annotated: Any) -> Any:
    return getattr(annotated, "__origin__", annotated)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_with_every_field_are_valid(path: Path) -> None:
    for plain in yaml.safe_load_all(path.read_text()):
        for schema in whole(DEFINITIONS[plain["kind"]]):
            errors = validator(schema["properties"]["spec"]).iter_errors(plain["spec"])
            assert [(error.json_path, error.message) for error in errors] == []


def test_bounds_are_of_fields_that_there_are() -> None:
    for struct, name in BOUNDS:
        assert name in struct.__struct_encode_fields__, (struct, name)


def test_kinds_that_are_not_read_say_so() -> None:
    for kind in SERVED.keys() - {struct.KIND.name for struct in READ}:
        for schema in whole(DEFINITIONS[kind]):
            assert "is not read by this version and has no effect" in schema["description"]


def test_each_call_makes_new_values() -> None:
    first, again = crd(VirtualService), crd(VirtualService)
    assert first == again
    first["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].clear()
    assert crd(VirtualService) == again


def test_the_text_has_no_anchors() -> None:
    text = yaml_text(all_crds())
    assert list(yaml.safe_load_all(text)) == list(all_crds())
    assert "&id" not in text


class Nested(Strict, frozen=True, kw_only=True):
    """A struct within itself."""

    inner: Nested | None = None


class Either(Strict, frozen=True, kw_only=True):
    """A field of two types."""

    value: int | str = 0


@pytest.mark.parametrize(("struct", "name"), [(Nested, "inner"), (Either, "value")])
def test_what_no_structural_schema_can_say_is_a_fault(struct: type[msgspec.Struct], name: str) -> None:
    with pytest.raises(Unschematic):
        field_schema(struct, name)
