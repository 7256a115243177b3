"""The last hour of a real mesh: as much as the clients have counted, once, whoever reports it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from tests.envoy.connections import open_tcp
from tests.envoy.manifests import destination_rule, documents, namespace, pod, security, service
from xds.slices import at_once
from xds.telemetry.known import ToldEdge, Wanted
from xds.telemetry.signals import Signals
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
PORTS = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "grpc", "port": 7070},
    {"name": "tcp", "port": 9000},
)
USUAL = {"sidecar.istio.io/statsInclusionRegexps": ""}
WEB, GONE, SLOW = (f"{name}.shop.svc.cluster.local" for name in ("web", "gone", "slow"))
FLUSHED = timedelta(seconds=60)  # sidecars tell every ten


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("plain", inject=False),
        pod("client", account="client", annotations=USUAL),
        pod("web-v1", account="web", ports="http:8080 grpc:7070 tcp:9000", annotations=USUAL),
        service("web", *PORTS),
        service("gone"),
        pod("slow-v1", account="slow", annotations=USUAL),
        service("slow"),
        pod("outsider", namespace="plain"),
        security("PeerAuthentication", "default", mtls={"mode": "PERMISSIVE"}),
    )


Edges = dict[tuple[str, ...], ToldEdge]


def graph(mesh: Mesh) -> Edges:
    edges = at_once(mesh.up.control_plane.telemetry.known.graph(3600, Wanted()))
    return {tuple(edge.key): edge for edge in edges}


def requests(edges: Iterable[ToldEdge]) -> int:
    return sum(edge.signals.requests for edge in edges)


async def told(mesh: Mesh, what: str, enough: Callable[[Edges], bool]) -> Edges:
    """The graph, when there is enough in it."""

    async def is_there() -> bool:
        return enough(graph(mesh))

    try:
        await mesh.until(is_there, what, FLUSHED)
    except TimeoutError as error:
        raise AssertionError("\n".join(map(str, graph(mesh).values()))) from error
    return graph(mesh)


async def test_the_graph_counts_what_clients_count(mesh: Mesh) -> None:
    await mesh.requests("client", "http://web/", 300, concurrency=4)
    await mesh.requests("client", "http://web/?status=503", 40)
    await mesh.requests("client", "http://web/?status=404", 20)
    await mesh.requests("client", "http://gone/", 30)
    assert all(reply.code == "OK" for reply in await mesh.grpc("client", "web:7070", 50))
    await mesh.grpc("client", "web:7070", 10, headers={"x-echo-status": "13"})
    # Its client gives up before there is an answer: no status says that it was gRPC.
    await mesh.grpc("client", "web:7070", headers={"x-echo-delay": "30s"}, timeout_s=3.0)
    await mesh.tcp("client", "web", 9000, ["hello"], count=5)
    await mesh.requests("outsider", f"http://{mesh.ip('web-v1')}:8080/", 25)
    client, web = "shop/client", "shop/web-v1"
    http, grpc, tcp = ((client, web, WEB, protocol) for protocol in ("http", "grpc", "tcp"))

    def all_of_it(edges: Edges) -> bool:
        opened = edges[tcp].signals.connections_opened if tcp in edges else 0
        return requests(edges.values()) >= 476 and opened >= 5 and edges[tcp].signals.connections_open == 0

    edges = await told(mesh, "all is counted", all_of_it)
    shown = {
        key: (edge.signals.requests, edge.signals.errors_4xx, edge.signals.errors_5xx) for key, edge in edges.items()
    }
    assert shown[http] == (360, 20, 40)
    assert shown[grpc] == (61, 0, 10)
    assert shown[client, f"unknown:{GONE}", GONE, "http"] == (30, 0, 30)
    [outside] = [key for key in shown if key[0] == "unknown"]
    assert (outside[1], shown[outside]) == (web, (25, 0, 0))
    assert {edges[key].security for key in (http, grpc, tcp)} == {"mutual_tls"}
    assert edges[outside].security == "none"
    assert edges[http].signals.p50_ms is not None
    assert edges[http].signals.bytes_received > 360 * 100
    assert edges[tcp].signals.bytes_received > 5
    assert len(shown) == 5, "nothing is counted twice"


async def test_how_busy_a_service_is(mesh: Mesh) -> None:
    key = ("shop/client", "shop/slow-v1", SLOW, "http")
    answers = await mesh.requests("client", "http://slow/?delay=500ms", 80, concurrency=8)
    assert {answer.status for answer in answers} == {200}

    known = mesh.up.control_plane.telemetry.known

    def steps() -> list[Signals]:
        step_s, found = at_once(known.steps(300, Wanted(service=SLOW)))
        assert step_s == 10
        return [total.signals(step_s) for _, total in found]

    await told(mesh, "the steps are over", lambda _: sum(step.requests for step in steps()) >= 80)
    # Envoy's histograms have two digits of each value: within 1 to 5 %.
    at_work = 10 * sum(step.in_flight for step in steps())
    assert 80 * 0.5 * 0.95 <= at_work <= sum(answer.elapsed.total_seconds() for answer in answers) * 1.05
    assert graph(mesh)[key].signals.in_flight > 0


async def test_who_is_turned_away_for_want_of_room(mesh: Mesh) -> None:
    pools = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    await mesh.apply(documents(destination_rule("slow", trafficPolicy={"connectionPool": pools})))
    answers = await mesh.requests("client", "http://slow/?delay=300ms", 10, concurrency=10)
    refused = sum(answer.status == 503 for answer in answers)
    assert refused > 0

    def overloaded(edges: Edges) -> int:
        return sum(edge.signals.overloaded for key, edge in edges.items() if key[2] == SLOW)

    edges = await told(mesh, "they are counted", lambda edges: overloaded(edges) >= refused)
    assert overloaded(edges) == refused
    shown = json.loads(await plait("top", "versions", "-o", "json", "--mesh", mesh.name, "--window", "1h"))
    slow = {each["version"]: each["signals"] for each in shown if each["service"] == SLOW}
    assert sum(each["overloaded"] for each in slow.values()) == refused
    assert "v1" in slow, "beside those that reached nobody"


async def test_connections_are_open_no_more_when_the_envoy_is_another(mesh: Mesh) -> None:
    tcp = ("shop/client", "shop/web-v1", WEB, "tcp")

    def are_open(count: int) -> Callable[[Edges], bool]:
        return lambda edges: tcp in edges and edges[tcp].signals.connections_open == count

    async def one() -> None:
        async with open_tcp(mesh, "client", "web", 9000):
            await told(mesh, "one is open", are_open(1))
            await mesh.local.admin_get(mesh.pod("client"), "/quitquitquit", method="POST")
            await told(mesh, "none is open", are_open(0))

    with pytest.raises(AssertionError, match="the connection ended"):
        await one()

    async def answered() -> bool:
        return (await mesh.get("client", "http://web/")).status == 200

    await mesh.until(answered, "another Envoy")


async def plait(*arguments: str) -> str:
    """What the command prints."""
    process = await asyncio.create_subprocess_exec(
        *PLAIT, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_commands_show_it(mesh: Mesh) -> None:
    await mesh.requests("client", "http://web/only", 20)
    key = ("shop/client", "shop/web-v1", WEB, "http")
    await told(mesh, "it is counted", lambda edges: key in edges and edges[key].signals.requests >= 20)
    of = ("--mesh", mesh.name, "--window", "1h")
    services = json.loads(await plait("top", "-o", "json", *of))
    [web] = [each for each in services if each["service"] == WEB]
    assert web["signals"]["requests"] >= 20
    assert web["callers"] >= 1
    text = await plait("graph", *of)
    assert f"  -> shop/web-v1 (v1)  {WEB}  http  mTLS" in text
    workloads = await plait("top", "workloads", *of)
    assert workloads.split()[0] == "WORKLOAD"
    assert "shop/client" in workloads
