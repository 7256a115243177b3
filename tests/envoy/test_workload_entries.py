"""WorkloadEntries: endpoints that are no pods, for Services and ServiceEntries that select them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service, service_entry
from xds.testing.mesh import Mesh

BARE = {"sidecar.istio.io/inject": "false"}
WEB = "http://web/"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("web-v1"),
        # Of another label than the Service asks for: machines, as far as Kubernetes knows.
        pod("bare-v2", annotations=BARE),
        pod("own-v3", account="machine"),
        service("web"),
        service("own"),
    )


def entry(name: str, address: str, labels: dict[str, str] | None = None, **spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": "shop", "labels": labels or {"app": "web"}}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": metadata}
    return {**kind, "spec": {"address": address, **spec}}


async def versions(mesh: Mesh, url: str = WEB, count: int = 24) -> set[str]:
    answers = await mesh.requests("client", url, count, keep_alive=False)
    return {answer.echo["version"] if answer.status == 200 else str(answer.status) for answer in answers}


async def test_a_service_has_pods_and_machines(mesh: Mesh) -> None:
    await mesh.apply(documents(entry("bare", mesh.ip("bare-v2"))))
    assert await versions(mesh) == {"v1", "v2"}
    await mesh.delete()
    assert await versions(mesh) == {"v1"}


async def test_a_port_of_its_own(mesh: Mesh) -> None:
    other = service("vm", {"name": "http", "port": 80, "targetPort": 9999}, selector={"tier": "vm"})
    machine = entry("bare", mesh.ip("bare-v2"), {"tier": "vm"}, ports={"http": 8080})
    await mesh.apply(documents(other, machine))
    assert await versions(mesh, "http://vm/") == {"v2"}


async def test_a_service_entry_selects_it(mesh: Mesh) -> None:
    selecting = service_entry(
        "vms", hosts=["vms.test"], ports=[{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
        resolution="STATIC", workloadSelector={"labels": {"tier": "vm"}},
    )  # fmt: skip
    await mesh.apply(documents(selecting, entry("bare", mesh.ip("bare-v2"), {"tier": "vm"})))
    assert await versions(mesh, "http://vms.test/") == {"v2"}
    await mesh.apply(documents(selecting))
    assert await versions(mesh, "http://vms.test/") == {"503"}


async def test_weights(mesh: Mesh) -> None:
    await mesh.apply(documents(entry("bare", mesh.ip("bare-v2"), weight=1000)))
    answers = await mesh.requests("client", WEB, 60, keep_alive=False)
    assert sum(answer.echo["version"] == "v2" for answer in answers) > 50


async def test_mutual_tls_where_a_proxy_takes_it_and_is_who_it_says(mesh: Mesh) -> None:
    """The "machine" is a pod with a sidecar: it shows the identity of its account, which must be the entry's."""
    strict = security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})
    alone = service("vm", {"name": "http", "port": 80, "targetPort": 8080}, selector={"tier": "vm"})
    labels = {"tier": "vm", "security.istio.io/tlsMode": "istio"}
    good = entry("own", mesh.ip("own-v3"), labels, serviceAccount="machine")
    await mesh.apply(documents(strict, alone, good))
    answer = await mesh.get("client", "http://vm/")
    assert (answer.status, answer.echo["version"]) == (200, "v3")
    assert "x-forwarded-client-cert" in answer.seen

    wrong = entry("own", mesh.ip("own-v3"), labels, serviceAccount="somebody")
    await mesh.apply(documents(strict, alone, wrong))
    assert await versions(mesh, "http://vm/", 4) == {"503"}, "it is not who the entry says"

    plain = entry("own", mesh.ip("own-v3"), {"tier": "vm"}, serviceAccount="machine")
    await mesh.apply(documents(strict, alone, plain))
    assert await versions(mesh, "http://vm/", 4) == {"503"}, "nobody says that it takes mutual TLS"
