"""What is spoken: HTTP/1.1, HTTP/2, gRPC, websockets, TCP, ports that say nothing; headless and external names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely
from xds.testing.mesh import Mesh

PORTS = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "http2", "port": 8082, "targetPort": 8080},
    {"name": "grpc", "port": 7070},
    {"name": "tcp", "port": 9000},
    {"name": "by-app-protocol", "port": 8083, "targetPort": 8080, "appProtocol": "kubernetes.io/h2c"},
    {"name": "anything", "port": 5000, "targetPort": 8080},
    {"name": "anything-tcp", "port": 5001, "targetPort": 9000},
)
ECHO = "http:8080 grpc:7070 tcp:9000"


def stateful_set(name: str, replicas: int) -> Manifest:
    one = pod(name, ports="http:8080 tcp:9000")
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": one["spec"]},
        },
    }


def external_name(name: str, target: str) -> Manifest:
    spec = {"type": "ExternalName", "externalName": target, "ports": [{"name": "http", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        pod("client"),
        pod("web-v1", ports=ECHO),
        pod("web-v2", ports=ECHO),
        service("web", *PORTS),
        stateful_set("db", 2),
        service("db", {"name": "http", "port": 8080}, {"name": "tcp", "port": 9000}, clusterIP="None"),
        external_name("alias", "web.shop.svc.cluster.local"),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


SPOKEN = {
    ("http://web", False): "HTTP/1.1",
    ("http://web", True): "HTTP/1.1",  # a port named http is spoken to in HTTP/1.1
    ("http://web:8082", False): "HTTP/2",
    ("http://web:8082", True): "HTTP/2",
    ("http://web:8083", True): "HTTP/2",
    ("http://web:5000", False): "HTTP/1.1",  # a port that says nothing: as the client
    ("http://web:5000", True): "HTTP/2",
}


@pytest.mark.parametrize(("url", "h2"), SPOKEN, ids=str)
async def test_protocol_at_the_application(mesh: Mesh, url: str, h2: bool) -> None:
    answer = await mesh.get("client", url, h2=h2)
    assert answer.status == 200, answer
    assert answer.echo["protocol"] == SPOKEN[url, h2]
    assert answer.seen["x-request-id"]


@pytest.mark.parametrize(
    ("pool", "h2", "spoken"),
    [
        ({"h2UpgradePolicy": "UPGRADE"}, False, "HTTP2"),
        ({"useClientProtocol": True}, True, "HTTP2"),
        ({}, True, "HTTP1"),
    ],
    ids=["upgrade", "as-the-client", "default"],
)
async def test_protocol_between_the_proxies(mesh: Mesh, pool: dict[str, Any], h2: bool, spoken: str) -> None:
    await mesh.apply(documents(destination_rule("web", name="pool", trafficPolicy={"connectionPool": {"http": pool}})))
    answers = await mesh.requests("client", "http://web", 10, h2=h2)
    assert {answer.status for answer in answers} == {200}
    opened = await mesh.stats("client", r"outbound\|80\|\|web.*upstream_cx_http[12]_total$")
    by_protocol = {name[-13:-6].upper().strip("_X"): value for name, value in opened.items()}
    assert by_protocol.get(spoken, 0) > 0, opened


# -- gRPC


async def test_grpc(mesh: Mesh) -> None:
    (reply,) = await mesh.grpc("client", "web:7070", data="hello", headers={"x-user": "ann"})
    assert (reply.code, reply.echo["protocol"], reply.echo["body_bytes"]) == ("OK", "gRPC", 5)
    assert reply.echo["headers"]["x-user"] == "ann"
    assert reply.metadata["x-pod"] == reply.echo["pod"]


async def test_grpc_calls_of_one_channel_spread(mesh: Mesh) -> None:
    replies = await mesh.grpc("client", "web:7070", 200)
    versions = [reply.echo["version"] for reply in replies]
    assert versions.count("v1") in likely(200, 0.5)


async def grpc_routed(mesh: Mesh, **route: Any) -> None:
    await mesh.apply(documents(virtual_service("web", {"route": [to("web", "v2")], **route})))


async def test_grpc_is_routed_by_method(mesh: Mesh) -> None:
    echo = {"match": [{"uri": {"prefix": "/plait.Echo/"}}], "route": [to("web", "v2")]}
    await mesh.apply(documents(virtual_service("web", echo, {"route": [to("web", "v1")]})))
    assert {reply.echo["version"] for reply in await mesh.grpc("client", "web:7070", 10)} == {"v2"}
    (other,) = await mesh.grpc("client", "web:7070", method="/other.Service/Call", data="x")
    assert (other.metadata["x-version"], other.messages) == ("v1", ("x",))


async def test_grpc_retries(mesh: Mesh) -> None:
    failing = {"x-echo-fail-first": "2", "x-request-key": "again"}
    await grpc_routed(mesh, retries={"attempts": 2, "retryOn": "unavailable"})
    (reply,) = await mesh.grpc("client", "web:7070", headers=failing)
    assert (reply.code, reply.echo["attempt"]) == ("OK", 3)


async def test_grpc_statuses_come_through(mesh: Mesh) -> None:
    (reply,) = await mesh.grpc("client", "web:7070", headers={"x-echo-status": "8"})
    assert reply.code == "RESOURCE_EXHAUSTED"


async def test_grpc_fault(mesh: Mesh) -> None:
    await grpc_routed(mesh, fault={"abort": {"grpcStatus": "NOT_FOUND", "percentage": {"value": 100}}})
    (reply,) = await mesh.grpc("client", "web:7070")
    assert (reply.code, reply.details) == ("NOT_FOUND", "fault filter abort")


async def test_grpc_timeout(mesh: Mesh) -> None:
    await grpc_routed(mesh, timeout="300ms")
    (reply,) = await mesh.grpc("client", "web:7070", headers={"x-echo-delay": "60s"}, timeout_s=60)
    assert reply.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert reply.elapsed < timedelta(seconds=10)


# -- websockets


async def test_websocket(mesh: Mesh) -> None:
    reply = await mesh.websocket("client", "http://web/chat", ["one", "two"], headers={"x-user": "ann"})
    assert reply.messages[1:] == ("one", "two"), reply
    assert reply.echo["protocol"] == "websocket"
    assert reply.echo["headers"]["x-user"] == "ann"


async def test_websocket_follows_routes(mesh: Mesh) -> None:
    chat = {"match": [{"uri": {"prefix": "/chat"}}], "route": [to("web", "v2")], "timeout": "10s"}
    gone = {"directResponse": {"status": 410}}
    await mesh.apply(documents(virtual_service("web", chat, gone)))
    assert (await mesh.websocket("client", "http://web/chat")).echo["version"] == "v2"
    assert (await mesh.websocket("client", "http://web/other")).error == "refused with status 410"


# -- TCP


async def test_tcp_by_name_and_by_address(mesh: Mesh) -> None:
    found = await mesh.local.exec(mesh.pod("client"), ["getent", "ahostsv4", "web"])
    for host in ("web", "web.shop.svc.cluster.local", found.stdout.split()[0]):
        (reply,) = await mesh.tcp("client", host, 9000, ["one", "two"])
        assert reply.messages[1:] == ("one", "two"), reply
        assert reply.echo["version"] in {"v1", "v2"}


async def test_tcp_passes_both_proxies(mesh: Mesh) -> None:
    async def opened() -> tuple[int, int]:
        out = await mesh.stats("client", r"outbound\|9000\|\|web.*upstream_cx_total$")
        into = [await mesh.stats(pod, r"inbound\|9000.*upstream_cx_total$") for pod in ("web-v1", "web-v2")]
        return sum(out.values()), sum(sum(each.values()) for each in into)

    before = await opened()
    replies = await mesh.tcp("client", "web", 9000, ["hello"], count=20)
    assert {reply.echo["peer"] for reply in replies} == {"127.0.0.6"}
    after = await opened()
    assert (after[0] - before[0], after[1] - before[1]) == (20, 20)


# -- ports that say nothing


async def test_a_silent_port_takes_http_and_routes_it(mesh: Mesh) -> None:
    await mesh.apply(documents(virtual_service("web", {"route": [to("web", "v2")]})))
    answers = await mesh.requests("client", "http://web:5000/x", 20)
    assert {answer.echo["version"] for answer in answers} == {"v2"}


async def test_a_silent_port_takes_tcp(mesh: Mesh) -> None:
    (reply,) = await mesh.tcp("client", "web", 5001, ["one", "two"])
    assert reply.messages[1:] == ("one", "two"), reply


async def test_a_silent_port_lets_the_server_speak_first_after_a_while(mesh: Mesh) -> None:
    await mesh.apply(documents(mesh_config(protocolDetectionTimeout="300ms")))
    (reply,) = await mesh.tcp("client", "web", 5001)
    assert reply.echo["protocol"] == "TCP", reply
    assert reply.elapsed >= timedelta(seconds=0.27)


# -- headless services, names elsewhere


async def test_a_headless_service_by_the_name_of_a_pod(mesh: Mesh) -> None:
    for name in ("db-0", "db-1"):
        for host in (f"{name}.db", f"{name}.db.shop.svc.cluster.local"):
            answers = await mesh.requests("client", f"http://{host}:8080", 5)
            assert {answer.pod for answer in answers} == {name}
            (reply,) = await mesh.tcp("client", host, 9000, ["hello"])
            assert (reply.echo["pod"], reply.messages[1:]) == (name, ("hello",))


async def test_a_headless_service_by_its_own_name(mesh: Mesh) -> None:
    answer = await mesh.get("client", "http://db:8080")
    assert answer.pod in {"db-0", "db-1"}
    (reply,) = await mesh.tcp("client", "db", 9000, ["hello"])
    assert reply.echo["pod"] in {"db-0", "db-1"}


async def test_routes_hold_for_headless_services(mesh: Mesh) -> None:
    edited = {"route": [to("db")], "headers": {"request": {"set": {"x-route": "yes"}}}}
    await mesh.apply(documents(virtual_service("db", edited)))
    assert (await mesh.get("client", "http://db:8080")).seen.get("x-route") == "yes"
    answer = await mesh.get("client", "http://db-1.db:8080")
    assert (answer.pod, answer.seen.get("x-route")) == ("db-1", "yes")


async def test_external_name(mesh: Mesh) -> None:
    answer = await mesh.get("client", "http://alias/")
    assert answer.status == 200, answer
    assert answer.echo["version"] in {"v1", "v2"}
    assert answer.seen["x-request-id"]
