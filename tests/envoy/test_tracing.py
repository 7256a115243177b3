"""Traces of real sidecars, in OpenTelemetry's own receivers: OTLP over gRPC and HTTP, and Zipkin; by W3C and B3."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.manifests import documents, mesh_config, namespace, pod, service
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

TOOL = Path(__file__).parents[2] / "tools" / "collector"
BUILD_S = 1500.0
HOST = "collector.tracing.svc.cluster.local"
PORTS = {"grpc-otlp": 4317, "http-otlp": 4318, "http-zipkin": 9411}
PROVIDERS = [
    {"name": "otlp-grpc", "opentelemetry": {"service": HOST, "port": 4317}},
    {"name": "otlp-http", "opentelemetry": {"service": HOST, "port": 4318, "http": {"path": "/v1/traces"}}},
    {"name": "zipkin", "zipkin": {"service": HOST, "port": 9411}},
    {"name": "both", "zipkin": {"service": HOST, "port": 9411, "traceContextOption": "USE_B3_WITH_W3C_PROPAGATION"}},
    {"name": "logs", "envoyOtelAls": {"service": HOST, "port": 4317, "logFormat": {"labels": {"to": "%REQ(:PATH)%"}}}},
]
# OTLP's words for the kinds of spans.
SERVER, CLIENT = 2, 3
TAGS = {
    "team": {"literal": {"value": "checkout"}},
    "who": {"header": {"name": "x-who", "defaultValue": "nobody"}},
    "stage": {"environment": {"name": "STAGE_NOT_SET", "defaultValue": "test"}},
    "said": {"formatter": {"value": "%REQ(:METHOD)% of %PROTOCOL%"}},
}


@dataclass(frozen=True, slots=True)
class Span:
    """One span as the collector has it."""

    service: str
    trace: str
    id: str
    parent: str
    kind: int
    tags: dict[str, str]


@pytest.fixture(scope="module")
def collector() -> Path:
    """The program; the test is skipped where it cannot be built."""
    try:
        done = subprocess.run([str(TOOL)], capture_output=True, text=True, timeout=BUILD_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the collector is not built in {BUILD_S:g} s here")
    if done.returncode:
        pytest.skip(f"the collector cannot be built here: {done.stderr[-500:]}")
    return Path(done.stdout.strip()) / "collector"


@pytest.fixture(scope="module")
def told() -> Iterator[Path]:
    """What the collector has been told, a batch a line; not in pytest's folders, which are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="plait-collector-") as folder:
        file = Path(folder) / "told.json"
        file.touch()
        file.chmod(0o666)  # a pod's programs are of nobody
        file.parent.chmod(0o755)
        yield file


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    """What drains is cut soon."""
    return LocalSettings(envoy_flags=("--drain-time-s", "1", "--drain-strategy", "immediate"))


@pytest.fixture(scope="module")
def mesh_manifests(collector: Path, told: Path) -> str:
    program = shutil.copy(collector, told.parent)
    ports = " ".join(f"{name}:{port}" for name, port in PORTS.items())
    return documents(
        namespace("shop"),
        namespace("tracing", inject=False),
        mesh_config(extensionProviders=PROVIDERS),
        pod("collector", namespace="tracing", ports=ports, command=[program, str(told)]),
        service("collector", *({"name": n, "port": p} for n, p in PORTS.items()), namespace="tracing"),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
    )


def telemetry(**spec: Any) -> dict[str, Any]:
    """The Telemetry of the mesh."""
    metadata = {"name": "mesh", "namespace": "istio-system"}
    return {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec}


def _attributes(holder: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: str(next(iter(each["value"].values()), "")) for each in holder.get("attributes", ())}


def batches(told: Path, kind: str) -> Iterator[dict[str, Any]]:
    """What was told of ``resourceSpans`` or ``resourceLogs``; a line that is still being written is left out."""
    text = told.read_text() if told.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            yield from json.loads(line).get(kind, ())


def spans(told: Path) -> Iterator[Span]:
    """All spans that were told."""
    for resource in batches(told, "resourceSpans"):
        name = _attributes(resource["resource"]).get("service.name", "")
        for scope in resource["scopeSpans"]:
            for each in scope["spans"]:
                parent = each.get("parentSpanId", "")
                yield Span(name, each["traceId"], each["spanId"], parent, each.get("kind", 0), _attributes(each))


async def both_sides(mesh: Mesh, told: Path, path: str, **headers: str) -> tuple[Span, Span]:
    """The caller's span and the server's below it, of one request of that path, made until they are there."""
    found: list[tuple[Span, Span]] = []

    async def there() -> bool:
        # Connections of before trace as before, until they have drained.
        await mesh.get("client", f"http://web{path}", headers=headers, keep_alive=False)
        ours = [each for each in spans(told) if each.tags.get("http.url", "").endswith(path)]
        servers = {each.parent: each for each in ours if each.service == "web.shop"}
        callers = [each for each in ours if each.service == "client.shop"]
        found.extend((each, servers[each.id]) for each in callers if each.id in servers)
        return bool(found)

    await mesh.until(there, "a trace has the spans of both proxies")
    return found[0]


@pytest.mark.parametrize("provider", ["otlp-grpc", "otlp-http", "zipkin", "both"])
async def test_one_trace_has_the_clients_span_and_the_servers_below_it(mesh: Mesh, told: Path, provider: str) -> None:
    tracing = {"providers": [{"name": provider}], "randomSamplingPercentage": 100, "customTags": TAGS}
    await mesh.apply(documents(telemetry(tracing=[tracing])))
    client, server = await both_sides(mesh, told, f"/{provider}", **{"x-who": "somebody"})
    assert (client.parent, server.parent, server.trace) == ("", client.id, client.trace)
    assert (client.kind, server.kind) == (CLIENT, SERVER)
    for span in (client, server):
        expected = {"team": "checkout", "who": "somebody", "stage": "test", "said": "GET of HTTP/1.1"}
        assert {name: span.tags.get(name) for name in expected} == expected
    assert server.tags["istio.canonical_service"] == "web"
    assert client.tags["istio.namespace"] == "shop"


async def test_a_trace_of_the_caller_goes_on_and_sampling_is_switched_without_a_listener(
    mesh: Mesh, told: Path
) -> None:
    tracing: dict[str, Any] = {"providers": [{"name": "otlp-grpc"}], "randomSamplingPercentage": 100}
    await mesh.apply(documents(telemetry(tracing=[tracing])))
    begun = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client, server = await both_sides(mesh, told, "/begun", traceparent=begun)
    assert (client.trace, client.parent) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert server.trace == client.trace
    wanted = "listener_manager.(listener_modified|listener_in_place_updated|total_listeners_draining)"
    before = [await mesh.stats(pod, wanted) for pod in ("client", "web-v1")]
    for off in ({"randomSamplingPercentage": 0}, {"disableSpanReporting": True}):
        await mesh.apply(documents(telemetry(tracing=[{**tracing, **off}])))
        await mesh.requests("client", "http://web/unseen", 20)
    await mesh.apply(documents(telemetry(tracing=[tracing])))
    client, _ = await both_sides(mesh, told, "/seen")
    assert client.parent == ""
    assert not any(each.tags.get("http.url", "").endswith("/unseen") for each in spans(told))
    assert [await mesh.stats(pod, wanted) for pod in ("client", "web-v1")] == before


async def test_an_access_log_goes_to_the_collector(mesh: Mesh, told: Path) -> None:
    await mesh.apply(documents(telemetry(accessLogging=[{"providers": [{"name": "logs"}]}])))

    async def logged() -> bool:
        await mesh.get("client", "http://web/logged", keep_alive=False)
        records = [each for r in batches(told, "resourceLogs") for s in r["scopeLogs"] for each in s["logRecords"]]
        return any(_attributes(each).get("to") == "/logged" for each in records)

    await mesh.until(logged, "the collector has a record of a request")
