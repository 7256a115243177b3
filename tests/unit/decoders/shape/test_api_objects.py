"""From the API server's JSON to structs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from xds.decoders.build import DECODERS
from xds.decoders.shape.api_objects import ApiDecoder, Read, api_kinds
from xds.model.refs import ObjectRef

KINDS = {kind.name: kind for kind in api_kinds() if not kind.authorities}


def read(kind: str, plain: dict[str, Any], **metadata: Any) -> Read:
    """What an object gives that says no kind, as items of lists do."""
    head = {"name": "a", "namespace": "shop", "resourceVersion": "7", "generation": 3, **metadata}
    decoder = ApiDecoder(KINDS[kind], "k")
    return decoder.read(json.dumps({"metadata": head, **plain}).encode(), KINDS[kind].versions[0])


def test_every_kind_with_a_decoder_is_read_and_the_config_map() -> None:
    ours = {"Demand", "GatewayName", "KeySet", "MeshConfig", "Recording"}
    expected = {name for _, name in DECODERS} - ours | {"ConfigMap"}
    assert set(KINDS) == expected
    assert str(KINDS["VirtualService"]) == "virtualservices.networking.istio.io"


def test_a_kubernetes_object() -> None:
    got = read("Service", {"spec": {"ports": [{"port": 80}], "selector": None}, "status": {"unknown": 1}})
    assert got.found is not None
    assert got.found.ref == got.named.ref == ObjectRef("", "Service", "shop", "a")
    assert (str(got.found.origin), got.found.generation) == ("k@7", 3)
    assert got.found.struct.spec.ports[0].port == 80  # type: ignore[attr-defined]


def test_an_object_of_istio_may_have_a_status_and_the_tools_annotation_goes() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "stays"}
    got = read("VirtualService", {"spec": {"hosts": ["b"]}, "status": {"conditions": []}}, annotations=annotations)
    assert got.found is not None
    assert got.found.struct.metadata.annotations == {"mine": "stays"}


@pytest.mark.parametrize(
    ("kind", "plain", "field", "code"),
    [
        ("Service", {"spec": {"ports": [{"port": "eighty"}]}}, "spec.ports[0].port", "field.integer"),
        ("VirtualService", {"spec": {"hosts": ["b"], "unknown": 1}}, "spec.unknown", "field.unknown"),
        (
            "VirtualService",
            {"spec": {"http": [{"redirect": {}, "directResponse": {"status": 200}}]}},
            "spec.http[0]",
            "",
        ),
    ],
)
def test_faults_are_named_and_nothing_is_taken_away(kind: str, plain: dict[str, Any], field: str, code: str) -> None:
    got = read(kind, plain)
    assert got.unreadable
    assert got.found is None
    assert got.problems[0].at.dotted.startswith(field)
    assert got.problems[0].code.startswith(code)
    assert str(got.problems[0].origin) == "k@7"


def test_the_content_of_a_secret_reaches_no_finding() -> None:
    got = read("Secret", {"data": {"tls.key": ["c2VjcmV0"], "tls.crt": 5}})
    assert got.unreadable
    assert got.problems
    assert "c2VjcmV0" not in str(got)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"password": "eA=="}, None),
        ({"cacert": "eA==", "password": "eA=="}, {"cacert": "eA=="}),
        ({"cert": "eA==", "key": "eA=="}, {"cert": "eA==", "key": "eA=="}),
        ({"key": "eA=="}, None),  # of an API, of a cipher: anybody's word
        ({}, None),
    ],
)
def test_of_a_secret_only_a_credential_is_kept(data: dict[str, str], kept: dict[str, str] | None) -> None:
    got = read("Secret", {"data": data})
    assert not got.unreadable
    assert (got.found.struct.data if got.found is not None else None) == kept  # type: ignore[attr-defined]


def test_the_mesh_config_is_one_object_wherever_its_config_map_is() -> None:
    got = read("ConfigMap", {"data": {"mesh": "trustDomain: a.example"}}, name="istio-canary")
    assert got.found is not None
    assert got.found.ref == got.named.ref == ObjectRef("mesh.istio.io", "MeshConfig", "istio-system", "istio")
    broken = read("ConfigMap", {"data": {"mesh": "trustDomain: [a]"}}, name="istio-canary")
    assert broken.unreadable
    assert str(broken.problems[0].at) == "ConfigMap shop/istio-canary data.mesh.trustDomain"
    without = read("ConfigMap", {"data": {}})
    assert (without.found, without.unreadable) == (None, False)


def test_what_has_no_name_is_no_object() -> None:
    with pytest.raises(msgspec.DecodeError):
        ApiDecoder(KINDS["Service"], "k").read(b'{"spec": {}}', "v1")


def authorities(data: dict[str, str]) -> Read:
    (kind,) = (kind for kind in api_kinds() if kind.authorities)
    head = {"name": "a", "namespace": "shop", "resourceVersion": "7"}
    return ApiDecoder(kind, "k").read(json.dumps({"metadata": head, "data": data}).encode(), "v1")


def test_of_other_config_maps_only_authorities_are_kept() -> None:
    got = authorities({"ca.crt": "roots", "mesh": "trustDomain: b", "secret": "x"})
    assert got.found is not None
    assert got.found.ref == ObjectRef("", "ConfigMap", "shop", "a")
    assert got.found.struct.data == {"ca.crt": "roots"}  # type: ignore[attr-defined]
    assert authorities({"mesh": "trustDomain: b"}).found is None
