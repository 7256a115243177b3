"""What gateways tell of their traffic, both kinds of them: access logs, spans, recordings, and who calls whom."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.gateway_api import backend, gateway_class, listener, made
from tests.envoy.manifests import (
    Manifest,
    documents,
    gateway,
    mesh_config,
    namespace,
    pod,
    router,
    server,
    service,
    to,
    virtual_service,
)
from tests.envoy.spans import CLIENT, HOST, SERVER, Span, collector, spans, told_file
from xds.local.commands import kill
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
VISITOR = "outside/visitor"
WEB, DB, GONE = (f"{name}.shop.svc.cluster.local" for name in ("web", "db", "gone"))
HTTP = {"name": "http", "port": 80}
TCP, LOST = {"name": "tcp", "port": 9000}, {"name": "tcp-lost", "port": 9001}
FLUSHED = timedelta(seconds=60)  # proxies tell what they have counted every ten
DRAINED = LocalSettings(envoy_flags=("--drain-time-s", "1", "--drain-strategy", "immediate"))


@dataclass(frozen=True, slots=True)
class Door:
    """A way into the mesh: the router's pod, the host it serves, its port, and what selects it in a Telemetry."""

    pod: str
    host: str
    port: int
    chosen: dict[str, Any]

    @property
    def namespace(self) -> str:
        return self.pod.partition("/")[0]

    @property
    def name(self) -> str:
        return self.pod.partition("/")[2]


ISTIO = Door("ingress/edge", "web.example", 80, {"selector": {"matchLabels": {"istio": "edge"}}})
API = Door(
    "shop/door",
    "door.example",
    80,
    {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "door"}]},
)
DOORS = pytest.mark.parametrize("door", [ISTIO, API], ids=["istio", "gateway-api"])


@pytest.fixture(scope="module")
def told() -> Iterator[Path]:
    with told_file() as file:
        yield file


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    """What drains is cut soon."""
    return DRAINED


@pytest.fixture(scope="module")
def mesh_manifests(told: Path) -> str:
    usual = {"sidecar.istio.io/statsInclusionRegexps": ""}
    door = pod("door", labels={"gateway.networking.k8s.io/gateway-name": "door"}, ports="http:80", account="door",
               annotations={"inject.istio.io/templates": "gateway", **usual})  # fmt: skip
    door["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    rule = {"backendRefs": [backend("web")]}
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        mesh_config(extensionProviders=[{"name": "otlp", "opentelemetry": {"service": HOST, "port": 4317}}]),
        *collector(told),
        pod("visitor", namespace="outside"),
        pod("web-v1", account="web", annotations=usual),
        service("web"),
        service("gone"),
        pod("db-v1", account="db", ports="tcp:9000", annotations=usual),
        service("db", TCP),
        service("lost", TCP),
        *router("edge", "ingress", HTTP, TCP, LOST, account="edge", annotations=usual),
        gateway("edge", server(80, "HTTP", ISTIO.host), server(9000, "TCP", "*"), server(9001, "TCP", "*")),
        virtual_service("db.example", name="db", gateways=["edge"], tcp=[
            {"match": [{"port": 9000}], "route": [to("db")]}, {"match": [{"port": 9001}], "route": [to("lost")]}]),
        virtual_service(
            ISTIO.host,
            {"match": [{"uri": {"prefix": "/gone"}}], "route": [to("gone")]},
            {"route": [to("web")]},
            name="edge",
            gateways=["edge"],
        ),
        door,
        gateway_class(),
        made("Gateway", "door", gatewayClassName="plait", listeners=[listener(80)]),
        made("HTTPRoute", "door", parentRefs=[{"name": "door"}], hostnames=[API.host], rules=[
            {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [backend("gone")]}, rule]),
        telemetry("quiet", "istio-system", **{"plait.dev/access-log-percent": "0"}),
    )  # fmt: skip


def telemetry(name: str, namespace: str, spec: dict[str, Any] | None = None, /, **said: str) -> Manifest:
    """A Telemetry with these annotations."""
    metadata = {"name": name, "namespace": namespace, "annotations": said}
    return {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec or {}}


async def visit(mesh: Mesh, door: Door, path: str, count: int = 1, **headers: str) -> list[int]:
    """The statuses of requests from outside of the mesh, each over a connection of its own."""
    url = f"http://{mesh.ip(door.pod)}:{door.port}{path}"
    more = {"host": door.host, **headers}
    return [(await mesh.get(VISITOR, url, headers=more, keep_alive=False)).status for _ in range(count)]


class Lines:
    """What the proxies have written since the test began."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._lines: list[str] = []

    def of(self, door: Door) -> list[str]:
        """The lines of the gateway."""
        self._lines += self._captured.readouterr().out.splitlines()
        head = f"{door.pod}/envoy | "
        return [line.removeprefix(head) for line in self._lines if line.startswith(head)]

    def entries(self, door: Door) -> dict[str, dict[str, Any]]:
        """Those of them that are JSON, by path."""
        found = [json.loads(line) for line in self.of(door) if line.startswith("{")]
        return {each["path"]: each for each in found}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


@DOORS
async def test_a_gateway_logs_errors_and_what_a_switch_adds(mesh: Mesh, lines: Lines, door: Door) -> None:
    assert await visit(mesh, door, "/fine", 10) == [200] * 10
    assert await visit(mesh, door, "/bad?status=503") == [503]
    assert await visit(mesh, door, "/gone") == [503]
    assert await visit(mesh, door, "/nowhere", host="else.example") == [404]
    assert await visit(mesh, door, "/slow?delay=1100ms") == [200]
    wanted = {"/bad?status=503", "/gone", "/nowhere", "/slow?delay=1100ms"}

    async def logged() -> bool:
        return wanted <= lines.entries(door).keys()

    await mesh.until(logged, f"{door.pod} has logged its errors")
    entries = lines.entries(door)
    assert entries.keys() == wanted
    assert {path: entries[path]["response_flags"] for path in wanted} == {
        "/bad?status=503": "-",
        "/gone": "UH",
        "/nowhere": "NR",
        "/slow?delay=1100ms": "-",
    }
    bad = entries["/bad?status=503"]
    assert (bad["method"], bad["authority"], bad["response_code"]) == ("GET", door.host, 503)
    assert bad["upstream_cluster"] == f"outbound|80||{WEB}"
    assert bad["upstream_host"] == f"{mesh.ip('web-v1')}:8080"
    said = {"plait.dev/access-log-percent": "100"}
    await mesh.apply(documents(telemetry("all", door.namespace, door.chosen, **said)))
    await visit(mesh, door, "/sampled")

    async def sampled() -> bool:
        return "/sampled" in lines.entries(door)

    await mesh.until(sampled, f"{door.pod} logs all requests")


@DOORS
async def test_a_gateway_logs_istios_text(mesh: Mesh, lines: Lines, door: Door) -> None:
    spec = {**door.chosen, "accessLogging": [{"providers": [{"name": "envoy"}]}]}
    await mesh.apply(documents(telemetry("text", door.namespace, spec)))
    line = '"GET /text HTTP/1.1" 200'

    async def told() -> bool:
        await visit(mesh, door, "/text")  # connections of before log as before
        return any(line in each for each in lines.of(door))

    await mesh.until(told, f"{door.pod} logs a success as text")


@DOORS
async def test_a_trace_begins_at_the_gateway_and_goes_on_in_the_sidecar(mesh: Mesh, told: Path, door: Door) -> None:
    everywhere = telemetry("traces", "shop", {"tracing": [_traced(0)]})
    here = telemetry("here", door.namespace, {**door.chosen, "tracing": [_traced(100)]})
    await mesh.apply(documents(everywhere, here))
    path = f"/traced-{door.name}"
    found: list[Span] = []

    async def whole() -> bool:
        await visit(mesh, door, path)
        known = list(spans(told))
        ours = (each for each in known if each.service == "web.shop" and each.tags["http.url"].endswith(path))
        found[:] = next((chain for each in ours if len(chain := _chain(each, known)) == 3), [])
        return bool(found)

    await mesh.until(whole, "a trace has the gateway's two spans and the sidecar's below them")
    gateway = f"{'edge' if door is ISTIO else 'door'}.{door.namespace}"
    assert [(each.service, each.kind) for each in found] == [(gateway, SERVER), (gateway, CLIENT), ("web.shop", SERVER)]
    assert len({each.trace for each in found}) == 1
    assert found[0].parent == ""
    assert found[0].tags["istio.namespace"] == door.namespace
    other = API if door is ISTIO else ISTIO
    await visit(mesh, other, "/untraced", 10)
    assert not any(each.tags.get("http.url", "").endswith("/untraced") for each in spans(told))


def _traced(percent: int) -> dict[str, Any]:
    return {"providers": [{"name": "otlp"}], "randomSamplingPercentage": percent}


def _chain(last: Span, known: list[Span]) -> list[Span]:
    """The span and those above it, the topmost first."""
    chain = [last]
    while above := next((each for each in known if each.id == chain[0].parent), None):
        chain.insert(0, above)
    return chain


@DOORS
async def test_a_gateways_requests_are_recorded(mesh: Mesh, door: Door) -> None:
    words = (*PLAIT, "record", door.pod, "--for", "1m", "-o", "json", "--mesh", mesh.name)
    command = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:

        async def recording() -> bool:
            _, body = await mesh.local.admin_get(mesh.pod(door.pod), "/runtime")
            return bool(json.loads(body)["entries"].get("plait.record", {}).get("final_value") == "100")

        await mesh.until(recording, "the gateway records")
        assert await visit(mesh, door, "/recorded", 20) == [200] * 20
        assert command.stdout is not None
        found = [json.loads(await asyncio.wait_for(command.stdout.readline(), 30)) for _ in range(20)]
    finally:
        await kill(command)
    assert {(each["path"], each["response_code"], each["direction"]) for each in found} == {
        ("/recorded", 200, "client")
    }
    assert {each["upstream_cluster"] for each in found} == {f"outbound|80||{WEB}"}


async def plait(*arguments: str) -> str:
    """What the command prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*PLAIT, *arguments, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@DOORS
async def test_the_graph_has_what_the_gateway_calls(mesh: Mesh, door: Door) -> None:
    assert await visit(mesh, door, "/counted", 10) == [200] * 10
    assert await visit(mesh, door, "/gone", 3) == [503] * 3
    assert await visit(mesh, door, "/nowhere", 3, host="else.example") == [404] * 3
    # Who is outside of the mesh names what he likes: that is no service.
    wanted = {("shop/web-v1", WEB), (f"unknown:{GONE}", GONE), ("unknown", "")}
    of = ("--mesh", mesh.name, "--window", "1h")
    edges: list[dict[str, Any]] = []

    async def counted() -> bool:
        graph = json.loads(await plait("graph", "-o", "json", *of))
        edges[:] = [each for each in graph["edges"] if each["source"] == door.pod]
        return wanted <= {(each["destination"], each["service"]) for each in edges}

    await mesh.until(counted, f"{door.pod} calls shop/web-v1", FLUSHED)
    assert {(each["destination"], each["service"]) for each in edges if each["protocol"] == "http"} == wanted
    [web] = [each for each in edges if each["destination"] == "shop/web-v1"]
    assert (web["service"], web["protocol"], web["security"]) == (WEB, "http", "mutual_tls")
    top = await plait("top", "workloads", *of)
    assert door.pod in top


async def test_tcp_connections_are_counted_and_those_that_fail_are_logged(mesh: Mesh, lines: Lines) -> None:
    host = mesh.ip(ISTIO.pod)
    assert [len(reply.messages) for reply in await mesh.tcp(VISITOR, host, 9000, ["hello"], count=5)] == [2] * 5
    assert not any(reply.messages for reply in await mesh.tcp(VISITOR, host, 9001))

    async def logged() -> bool:
        entries = (json.loads(line) for line in lines.of(ISTIO) if line.startswith("{"))
        return any("UH" in each["response_flags"] for each in entries)

    await mesh.until(logged, "the gateway has logged the connection that nobody took")
    of = ("--mesh", mesh.name, "--window", "1h")

    async def counted() -> bool:
        edges = json.loads(await plait("graph", "-o", "json", *of))["edges"]
        db = [each for each in edges if (each["source"], each["destination"]) == (ISTIO.pod, "shop/db-v1")]
        return [(each["service"], each["protocol"], each["signals"]["connections_opened"]) for each in db] == [
            (DB, "tcp", 5)
        ]

    await mesh.until(counted, "the gateway's connections are counted", FLUSHED)
