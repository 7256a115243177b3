"""A port that is reached by the pod's address only, so that its sidecar passes on whatever comes."""

from __future__ import annotations

import pytest

from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service
from xds.testing.mesh import Mesh

HOST = "http://aside.example.com/"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    echo = ["plait", "echo", "--http", "8080", "--http", "8081"]
    web = pod("web-v1", ports="http:8080 aside:8081", command=echo, account="web")
    return documents(namespace("shop"), pod("client"), web, service("web"))


def aside(address: str) -> Manifest:
    spec = {
        "hosts": ["aside.example.com"],
        "addresses": ["10.200.0.1"],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8081}],
        "endpoints": [{"address": address}],
    }
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"}
    return {**kind, "metadata": {"name": "aside", "namespace": "shop"}, "spec": spec}


async def test_what_no_service_declares_is_plaintext_until_it_must_not_be(mesh: Mesh) -> None:
    entry = aside(mesh.ip("web-v1"))
    await mesh.apply(documents(entry))
    assert (await mesh.get("client", HOST)).status == 200
    await mesh.apply(documents(entry, security("PeerAuthentication", "default", mtls={"mode": "STRICT"})))
    assert (await mesh.get("client", HOST, keep_alive=False)).status == 200


async def test_a_service_that_declares_it_brings_encryption(mesh: Mesh) -> None:
    declaring = service("web", {"name": "http", "port": 80, "targetPort": 8080}, {"name": "http-aside", "port": 8081})
    await mesh.apply(documents(aside(mesh.ip("web-v1")), declaring))
    answer = await mesh.get("client", HOST, keep_alive=False)
    assert answer.status == 200
    assert "sa/web" in answer.seen["x-forwarded-client-cert"]
