"""The mesh's edges: what is outside, unknown or left alone, pods without a sidecar, a pod calling itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    service_entry,
    to,
    virtual_service,
)
from xds.testing.mesh import Mesh

PREFIX = "traffic.sidecar.istio.io/"
HTTP_PORT: Manifest = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}
TCP_PORT: Manifest = {"number": 9000, "name": "tcp", "protocol": "TCP"}
FAR = "http:8080 tcp:9000 http-other:8090 http-odd:8070"  # no Service has port 8070


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    """``far`` stands for everything outside: its namespace has no sidecars, and no Service leads to it by name."""
    open_doors = {f"{PREFIX}excludeOutboundPorts": "80, 9000", f"{PREFIX}excludeInboundPorts": "8080"}
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        namespace("outside", inject=False),
        pod("client"),
        pod("web-v1", ports="http:8080 tcp:9000"),
        service("web", {"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 9000}),
        service("busy", {"name": "http", "port": 8090}, selector={"app": "web"}),
        pod("doors", annotations=open_doors),
        pod("far", namespace="outside", ports=FAR),
        service("far", {"name": "http", "port": 8080}, namespace="outside", clusterIP="None"),
    )


async def sent_through(mesh: Mesh, cluster: str, pod: str = "client") -> int:
    """How many connections the pod's proxy has opened for clusters whose names have this in them."""
    return sum((await mesh.stats(pod, rf"{cluster}.*upstream_cx_total$")).values())


# -- ServiceEntries


def outside(resolution: str, *ports: Manifest, host: str = "api.example.com", **spec: Any) -> Manifest:
    wanted: dict[str, Any] = {"hosts": [host], "ports": list(ports) or [HTTP_PORT], "resolution": resolution, **spec}
    return service_entry("api", location="MESH_EXTERNAL", **wanted)


async def test_service_entry_with_addresses_of_its_endpoints(mesh: Mesh) -> None:
    await mesh.apply(documents(outside("STATIC", endpoints=[{"address": mesh.ip("far")}])))
    answers = await mesh.requests("client", "http://api.example.com/x", 5)
    assert {(answer.pod, answer.echo["host"]) for answer in answers} == {("far", "api.example.com")}
    assert await sent_through(mesh, r"outbound\|80\|\|api.example.com") > 0


async def test_service_entry_by_dns(mesh: Mesh) -> None:
    entry = outside("DNS", endpoints=[{"address": "far.outside.svc.cluster.local", "ports": {"http": 8080}}])
    await mesh.apply(documents(entry))

    async def answered() -> bool:
        return (await mesh.get("client", "http://api.example.com/")).status == 200

    await mesh.until(answered, "the name resolved by the proxy")
    assert (await mesh.get("client", "http://api.example.com/")).pod == "far"


async def test_routes_hold_for_service_entries(mesh: Mesh) -> None:
    slow = virtual_service("api.example.com", {"route": [to("api.example.com")], "timeout": "200ms"}, name="api")
    await mesh.apply(documents(outside("STATIC", endpoints=[{"address": mesh.ip("far")}]), slow))
    answer = await mesh.get("client", "http://api.example.com/?delay=60s", timeout_s=60)
    assert answer.status == 504
    assert answer.elapsed < timedelta(seconds=10)
    assert (await mesh.get("client", "http://api.example.com/")).status == 200


async def test_service_entry_for_tcp(mesh: Mesh) -> None:
    await mesh.apply(documents(outside("STATIC", TCP_PORT, endpoints=[{"address": mesh.ip("far")}])))
    (reply,) = await mesh.tcp("client", "api.example.com", 9000, ["hello"])
    assert (reply.echo["pod"], reply.messages[1:]) == ("far", ("hello",))
    assert await sent_through(mesh, r"outbound\|9000\|\|api.example.com") > 0


async def test_a_host_that_only_a_virtual_service_knows(mesh: Mesh) -> None:
    found = await mesh.local.exec(mesh.pod("client"), ["getent", "ahostsv4", "web"])
    address = found.stdout.split()[0]
    await mesh.apply(documents(virtual_service("made.up", {"route": [to("web")]}, name="made-up")))
    answer = await mesh.get("client", f"http://{address}/", headers={"Host": "made.up"})
    assert (answer.pod, answer.echo["host"]) == ("web-v1", "made.up")


# -- unknown destinations


async def test_unknown_destinations_are_let_through(mesh: Mesh) -> None:
    before = await sent_through(mesh, "PassthroughCluster")
    answer = await mesh.get("client", f"http://{mesh.ip('far')}:8070/x")
    assert (answer.pod, answer.echo["path"]) == ("far", "/x")
    (reply,) = await mesh.tcp("client", mesh.ip("far"), 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)
    assert await sent_through(mesh, "PassthroughCluster") - before == 2


async def test_unknown_hosts_on_a_port_of_the_mesh_are_let_through(mesh: Mesh) -> None:
    answer = await mesh.get("client", f"http://{mesh.ip('far')}:8090/", headers={"Host": "who.example.com"})
    assert (answer.pod, answer.echo["host"]) == ("far", "who.example.com")
    assert answer.seen["x-request-id"]


async def test_registry_only(mesh: Mesh) -> None:
    await mesh.apply(documents(mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})))
    known_port = await mesh.get("client", f"http://{mesh.ip('far')}:8090/", headers={"Host": "who.example.com"})
    assert (known_port.status, known_port.body) == (502, "")
    unknown_port = await mesh.get("client", f"http://{mesh.ip('far')}:8070/")
    assert unknown_port.error.startswith(("RemoteDisconnected", "ConnectionResetError"))
    (reply,) = await mesh.tcp("client", mesh.ip("far"), 9000, ["hello"])
    assert (reply.closed, reply.messages) == (True, ())
    assert (await mesh.get("client", "http://web/")).status == 200
    (known,) = await mesh.tcp("client", "web", 9000, ["hello"])
    assert known.messages[1:] == ("hello",)


# -- with and without sidecars


async def test_a_pod_calls_itself(mesh: Mesh) -> None:
    for host in ("web", "web.shop.svc.cluster.local"):
        answers = await mesh.requests("web-v1", f"http://{host}/", 5)
        assert {(answer.status, answer.pod) for answer in answers} == {(200, "web-v1")}
    (reply,) = await mesh.tcp("web-v1", "web", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)


async def test_a_pod_calls_its_own_address(mesh: Mesh) -> None:
    assert (await mesh.get("web-v1", f"http://{mesh.ip('web-v1')}:8080/")).pod == "web-v1"


async def test_a_caller_without_sidecar(mesh: Mesh) -> None:
    answer = await mesh.get("far", "http://web.shop/")
    assert answer.pod == "web-v1"
    assert answer.seen["x-request-id"]  # by the sidecar of web
    (reply,) = await mesh.tcp("far", "web.shop", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)


async def test_a_callee_without_sidecar(mesh: Mesh) -> None:
    answer = await mesh.get("client", "http://far.outside:8080/")
    assert answer.pod == "far"
    assert answer.seen["x-request-id"]
    assert answer.echo["peer"] == mesh.ip("client")


async def test_loopback_is_left_alone(mesh: Mesh) -> None:
    for host in ("127.0.0.1", "localhost"):
        answer = await mesh.get("client", f"http://{host}:8080/")
        assert (answer.pod, answer.seen.get("x-request-id")) == ("client", None)


async def test_ports_left_out_by_annotation(mesh: Mesh) -> None:
    await mesh.apply(documents(virtual_service("web", {"directResponse": {"status": 418}})))
    assert (await mesh.get("client", "http://web/")).status == 418
    assert (await mesh.get("doors", "http://web/")).pod == "web-v1"  # no proxy on its way out
    assert (await mesh.get("doors", "http://web:80/")).seen["x-request-id"]  # but one on the way in


async def test_inbound_ports_left_out_by_annotation(mesh: Mesh) -> None:
    into_doors = await mesh.get("far", f"http://{mesh.ip('doors')}:8080/")
    assert (into_doors.pod, into_doors.seen.get("x-request-id")) == ("doors", None)
    into_client = await mesh.get("far", f"http://{mesh.ip('client')}:8080/")
    assert into_client.pod == "client"


async def test_a_port_that_no_service_declares_is_passed_on(mesh: Mesh) -> None:
    answer = await mesh.get("far", f"http://{mesh.ip('client')}:8080/")
    assert (answer.pod, answer.echo["peer"]) == ("client", "127.0.0.6")


async def test_proxies_serve_health_and_nothing_else(mesh: Mesh) -> None:
    health = await mesh.get("far", f"http://{mesh.ip('client')}:15021/healthz/ready")
    assert health.status == 200
    assert (await mesh.get("far", f"http://{mesh.ip('client')}:15021/quitquitquit")).status == 404
    for port in (15000, 15001, 15006):
        answer = await mesh.get("far", f"http://{mesh.ip('client')}:{port}/")
        assert answer.status == 0, answer
