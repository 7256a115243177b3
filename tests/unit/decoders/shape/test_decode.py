"""From plain values to objects: defaults, nulls, the mesh configuration, and that no input breaks the decoder."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xds.decoders.shape.decode import Place, decode_object
from xds.decoders.shape.documents import split
from xds.decoders.shape.faults import FAULTS_SHOWN, faults, nearest
from xds.decoders.shape.manifests import moved, read_document
from xds.kinds.exclusive import ONE_OF
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.registry import KINDS, to_plain
from xds.kinds.virtual_service import VirtualService
from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin

PLACE = Place(Origin("test", 1))
NETWORKING = "networking.istio.io/v1"


def good(plain: Any) -> Object[Any]:
    decoded = decode_object(plain, PLACE)
    assert not decoded.problems, [str(problem) for problem in decoded.problems]
    (found,) = decoded.objects
    return found


def bad(plain: Any) -> tuple[Problem, ...]:
    decoded = decode_object(plain, PLACE)
    assert not decoded.objects
    return decoded.problems


def virtual_service(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": NETWORKING, "kind": "VirtualService", "metadata": {"name": "v"}, "spec": spec}


def test_namespaces() -> None:
    assert good(virtual_service(hosts=["a"])).ref == ObjectRef("networking.istio.io", "VirtualService", "default", "v")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "namespace": "ignored"}}
    assert good(namespace).ref == ObjectRef("", "Namespace", "", "shop")


def test_nulls_mean_absent() -> None:
    plain = virtual_service(hosts=["a", None], http=[{"match": None, "timeout": None, "headers": {"request": None}}])
    plain["metadata"]["labels"] = None
    struct = good(plain).struct
    assert struct.spec.hosts == ("a",)
    assert struct.spec.http[0].match == ()


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_all_served_versions_are_read_alike(version: str) -> None:
    plain = virtual_service(hosts=["a"]) | {"apiVersion": f"networking.istio.io/{version}"}
    assert good(plain).struct.spec == good(virtual_service(hosts=["a"])).struct.spec


def test_status_and_unknown_metadata_are_no_content() -> None:
    plain = virtual_service(hosts=["a"])
    more = plain | {"status": {"conditions": []}}
    more["metadata"] = plain["metadata"] | {"resourceVersion": "7", "managedFields": [{}]}
    assert good(more).struct == good(plain).struct


def test_the_mesh_configuration_in_its_config_map() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n"
    (document,) = split(text + "    connectTimeout: 3s\n    trustDomain: example.org\n", "istio.yaml")
    config_map, mesh = read_document(document).objects
    assert (config_map.ref.kind, mesh.ref) == (
        "ConfigMap",
        ObjectRef("mesh.istio.io", "MeshConfig", "istio-system", "istio"),
    )
    assert isinstance(mesh.struct, MeshConfig)
    assert mesh.struct.spec.connect_timeout == timedelta(seconds=3)


def test_the_mesh_configuration_as_a_document() -> None:
    head = {"apiVersion": "mesh.istio.io/v1alpha1", "kind": "MeshConfig"}
    flat = good({**head, "trustDomain": "example.org"})
    nested = good({**head, "spec": {"trustDomain": "example.org"}})
    assert flat.struct == nested.struct
    assert flat.ref == ObjectRef("mesh.istio.io", "MeshConfig", "istio-system", "istio")


def test_lines_move_with_the_text_and_structs_stay() -> None:
    (document,) = split("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports: [{port: 0}]\n", "a.yaml")
    broken = moved(read_document(document), "b.yaml", 10)
    assert [str(problem.origin) for problem in broken.problems] == ["b.yaml:16"]
    (document,) = split("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n", "a.yaml")
    before = read_document(document)
    after = moved(before, "a.yaml", 10)
    assert after.objects[0].struct is before.objects[0].struct
    assert after.objects[0].origin == Origin("a.yaml", 11)


def test_oneofs_may_be_set_once() -> None:
    assert [problem.code for problem in bad(virtual_service(http=[{"match": [{"uri": {"exact": "", "regex": ""}}]}]))]
    good(virtual_service(http=[{"redirect": {"uri": "/", "port": 80}}]))


def test_oneofs_are_of_real_fields() -> None:
    for struct, groups in ONE_OF.items():
        assert {name for group in groups for name in group} <= set(struct.__struct_encode_fields__)


def test_thousands_of_faults_are_cut_short() -> None:
    found = bad(virtual_service(http=[{"timeout": 1}] * 5000))
    assert len(found) == FAULTS_SHOWN + 1
    assert found[-1].code == "object.more-faults"


@pytest.mark.parametrize(
    ("written", "meant"), [("retrys", "retries"), ("per_try_timeout", "perTryTimeout"), ("zzz", None), ("", None)]
)
def test_did_you_mean(written: str, meant: str | None) -> None:
    assert nearest(written, ["retries", "perTryTimeout", "timeout"]) == meant


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1s", "0s", "v1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    """A value of some struct with a few of its fields given values of any type."""
    struct: type[msgspec.Struct] = draw(st.sampled_from(list(KINDS)))

    def fill(wanted: type[msgspec.Struct], depth: int) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        chosen = st.lists(st.sampled_from(msgspec.structs.fields(wanted) or [None]), max_size=4)
        for field in draw(chosen):
            if field is None:
                continue
            inner = _struct_in(field.type)
            if inner is not None and depth < 6 and draw(st.integers(0, 5)):
                below = fill(inner, depth + 1)
                filled[field.encode_name] = [below] if "tuple" in str(field.type) else below
            else:
                filled[field.encode_name] = draw(JSON)
        return filled

    versions = struct.KIND.api_versions  # type: ignore[attr-defined]
    head = {"apiVersion": draw(st.sampled_from(versions)), "kind": struct.__name__}
    metadata: dict[str, Any] = {"name": draw(st.sampled_from(["a", "a", "b.c", "A", ""]))}
    if draw(st.booleans()):
        metadata["labels"] = draw(JSON)
    return {**fill(struct, 0), **head, "metadata": draw(st.just(metadata) | JSON)}


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that a field's type is made of, if any."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _struct_in(inner)
        if found is not None:
            return found
    return None


@settings(max_examples=400, deadline=None)
@given(nearly_right() | JSON)
def test_no_value_breaks_the_decoder(plain: Any) -> None:
    decoded = decode_object(plain, PLACE)
    assert decoded.objects or decoded.problems
    assert not (decoded.objects and decoded.broken)
    for found in decoded.objects:
        again = good(to_plain(found.struct))
        assert again.struct.metadata == found.struct.metadata


@settings(max_examples=200, deadline=None)
@given(nearly_right())
def test_the_schema_finds_what_msgspec_refuses(plain: Any) -> None:
    for problem in decode_object(plain, PLACE).problems:
        assert "Expected" not in problem.message, problem


def test_a_good_object_has_no_faults_by_the_schema() -> None:
    plain = virtual_service(hosts=["a"], http=[{"timeout": "1.5s", "retries": {"attempts": 3}}])
    plain["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert faults(plain, VirtualService) == ()
