"""Traces of real sidecars, in OpenTelemetry's own receivers: OTLP over gRPC and HTTP, and Zipkin; by W3C and B3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.manifests import documents, mesh_config, namespace, pod, service
from tests.envoy.spans import CLIENT, HOST, SERVER, Span, attributes, batches, collector, spans, told_file
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

PROVIDERS = [
    {"name": "otlp-grpc", "opentelemetry": {"service": HOST, "port": 4317}},
    {"name": "otlp-http", "opentelemetry": {"service": HOST, "port": 4318, "http": {"path": "/v1/traces"}}},
    {"name": "zipkin", "zipkin": {"service": HOST, "port": 9411}},
    {"name": "both", "zipkin": {"service": HOST, "port": 9411, "traceContextOption": "USE_B3_WITH_W3C_PROPAGATION"}},
    {"name": "logs", "envoyOtelAls": {"service": HOST, "port": 4317, "logFormat": {"labels": {"to": "%REQ(:PATH)%"}}}},
]
TAGS = {
    "team": {"literal": {"value": "checkout"}},
    "who": {"header": {"name": "x-who", "defaultValue": "nobody"}},
    "stage": {"environment": {"name": "STAGE_NOT_SET", "defaultValue": "test"}},
    "said": {"formatter": {"value": "%REQ(:METHOD)% of %PROTOCOL%"}},
}


@pytest.fixture(scope="module")
def told() -> Iterator[Path]:
    with told_file() as file:
        yield file


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    """What drains is cut soon."""
    return LocalSettings(envoy_flags=("--drain-time-s", "1", "--drain-strategy", "immediate"))


@pytest.fixture(scope="module")
def mesh_manifests(told: Path) -> str:
    return documents(
        namespace("shop"),
        mesh_config(extensionProviders=PROVIDERS),
        *collector(told),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
    )


def telemetry(**spec: Any) -> dict[str, Any]:
    """The Telemetry of the mesh."""
    metadata = {"name": "mesh", "namespace": "istio-system"}
    return {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec}


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
        return any(attributes(each).get("to") == "/logged" for each in records)

    await mesh.until(logged, "the collector has a record of a request")
