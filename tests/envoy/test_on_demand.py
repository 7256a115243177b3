"""Sidecars that hold only what they use: what is asked for at the first request, and what is known beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    security,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)
from xds.testing.mesh import Mesh

LAZY = {"plait.dev/outbound": "on-demand"}
TCP: Manifest = {"name": "tcp", "port": 9000}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        *(pod(f"{name}-client", labels=LAZY) for name in "abcdefg"),
        pod("plain"),
        *(pod(name) for name in ("web-v1", "stock-v1", "stock-v2")),
        *(service(name) for name in ("web", "stock", "other")),
        pod("bytes", ports="tcp:9000"),
        service("bytes", TCP),
    )


async def held(mesh: Mesh, of: str, kind: str, name: str) -> set[str]:
    """The names of what a pod's proxy holds, of a section of its configuration dump."""
    dump = await mesh.config_dump(of)
    found: dict[str, Any] = next((each for each in dump["configs"] if each["@type"].endswith(kind)), {})
    return {each[name]["name"] for each in found.get(f"dynamic_{'active_' * (name == 'cluster')}{name}s", ())}


async def clusters(mesh: Mesh, of: str) -> set[str]:
    names = await held(mesh, of, "ClustersConfigDump", "cluster")
    return {each.split("|")[3].partition(".")[0] for each in names if each.startswith("outbound|")}


async def test_the_first_request_brings_what_it_needs(mesh: Mesh) -> None:
    assert await clusters(mesh, "a-client") == {"bytes"}
    answers = await mesh.requests("a-client", "http://web/", 3)
    assert {(answer.status, answer.pod) for answer in answers} == {(200, "web-v1")}
    assert await clusters(mesh, "a-client") == {"bytes", "web"}
    assert {"web", "stock", "other"} <= await clusters(mesh, "plain")


@pytest.mark.parametrize(
    "host", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web:80", "WEB.shop"]
)
async def test_any_name_of_a_service(mesh: Mesh, host: str) -> None:
    answer = await mesh.get("b-client", "http://web/", headers={"Host": host})
    assert (answer.status, answer.pod) == (200, "web-v1")


async def test_a_request_with_a_body(mesh: Mesh) -> None:
    answer = await mesh.get("c-client", "http://stock/", method="POST", data="x" * 100_000)
    assert (answer.status, answer.echo["body_bytes"]) == (200, 100_000)


async def test_what_a_workload_has_asked_for_is_sent_to_its_next_pod_beforehand(mesh: Mesh) -> None:
    assert (await mesh.get("g-client", "http://other/")).status == 503  # nobody is behind it
    assert (await mesh.get("g-client", "http://web.shop/")).pod == "web-v1"
    await mesh.apply(documents(pod("g-next", labels=LAZY)))
    assert await clusters(mesh, "g-next") == {"bytes", "other", "web"}
    assert (await mesh.get("g-next", "http://web.shop/")).pod == "web-v1"


async def test_tcp_is_there_beforehand(mesh: Mesh) -> None:
    (reply,) = await mesh.tcp("d-client", "bytes", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)


async def test_what_nobody_knows_is_let_through(mesh: Mesh) -> None:
    for _ in range(2):
        answer = await mesh.get("d-client", f"http://{mesh.ip('web-v1')}:80/", headers={"Host": "who.example.com"})
        assert answer.status == 503  # at that address nobody listens on port 80
    await mesh.apply(documents(mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})))
    answer = await mesh.get("d-client", "http://web/", headers={"Host": "who.example.com"})
    assert answer.status == 502
    answer = await mesh.get("d-client", "http://web/", headers={"Host": "others.example.com"})
    assert answer.status == 502


async def test_a_service_that_comes_later(mesh: Mesh) -> None:
    assert (await mesh.get("e-client", "http://web/", headers={"Host": "late"})).status in (200, 404, 503)
    late = [pod("late-v1"), service("late")]
    await mesh.apply(documents(*late))
    assert (await mesh.get("e-client", "http://late/")).pod == "late-v1"
    answer = virtual_service("late", {"directResponse": {"status": 418}})
    await mesh.apply(documents(*late, answer))
    assert (await mesh.get("e-client", "http://late/")).status == 418


async def test_routes_and_subsets(mesh: Mesh) -> None:
    rules = [
        destination_rule("stock", subsets=subsets("v1", "v2")),
        virtual_service("web", {"route": [to("stock", "v2")]}),
    ]
    await mesh.apply(documents(*rules, security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})))
    assert (await mesh.get("f-client", "http://web/")).pod == "stock-v2"
    assert "stock" in await clusters(mesh, "f-client")


async def test_hosts_of_entries(mesh: Mesh) -> None:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]
    wild: dict[str, Any] = {"hosts": ["*.example.com", "api.example.org"], "ports": ports, "resolution": "STATIC"}
    wild["endpoints"] = [{"address": mesh.ip("web-v1")}]
    await mesh.apply(documents(service_entry("wild", **wild)))
    for host in ("a.example.com", "b.c.example.com", "api.example.org"):
        assert (await mesh.get("f-client", "http://web/", headers={"Host": host})).pod == "web-v1"
