"""The control plane's own traces, in OpenTelemetry's own receiver: one of each change, until the last proxy's ACK."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.manifests import documents, namespace, pod, security, service, to, virtual_service
from tests.envoy.spans import attributes, batches, collector, told_file
from xds.local.host_ports import HostPort
from xds.local.relay import relay
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

ERROR = 2  # OTLP's word for it
Json = dict[str, Any]


@pytest.fixture(scope="module")
def told() -> Iterator[Path]:
    with told_file() as file:
        yield file


@pytest.fixture(scope="module")
def way() -> Iterator[socket.socket]:
    """Where the control plane looks for the collector: nobody listens there before a test does."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        yield found


@pytest.fixture(scope="module")
def mesh_settings(way: socket.socket) -> LocalSettings:
    return LocalSettings(otlp=f"http://127.0.0.1:{way.getsockname()[1]}")


@pytest.fixture(scope="module")
def mesh_manifests(told: Path) -> str:
    *others, receiver = collector(told)
    receiver["spec"]["type"] = "LoadBalancer"  # which is a port of this machine
    return documents(
        *others,
        receiver,
        namespace("shop"),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
    )


@asynccontextmanager
async def reached(mesh: Mesh, way: socket.socket) -> AsyncIterator[None]:
    """Have the collector reached by that way."""
    ports = mesh.local.host_ports
    await mesh.until(lambda: _is(HostPort("tracing", "collector", 4317) in ports), "the collector has a port")
    host, _, port = mesh.local.host_ports[HostPort("tracing", "collector", 4317)].rpartition(":")

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay((reader, writer), await asyncio.open_connection(host, int(port)))

    server = await asyncio.start_server(through, sock=way.dup())
    try:
        yield
    finally:
        server.close()


async def _is(value: bool) -> bool:
    return value


def traces(told: Path) -> Iterator[tuple[Json, list[Json]]]:
    """The root of each trace of a change, and the spans below it."""
    found = list[Json]()
    for resource in batches(told, "resourceSpans"):
        if attributes(resource["resource"]).get("service.name") == "plait":
            found += [each for scope in resource["scopeSpans"] for each in scope["spans"]]
    for root in found:
        if root["name"] == "change":
            yield root, [each for each in found if each.get("parentSpanId") == root["spanId"]]


async def trace_of(mesh: Mesh, told: Path, name: str) -> tuple[Json, dict[str, Json]]:
    """The trace of the newest change of that object, with the spans below its root by name."""
    found: list[tuple[Json, list[Json]]] = []

    async def there() -> bool:
        for root, below in traces(told):
            (names,) = (each["value"] for each in root["attributes"] if each["key"] == "plait.objects")
            if any(value["stringValue"].endswith(name) for value in names["arrayValue"].get("values", ())):
                found.append((root, below))
        return bool(found)

    await mesh.until(there, f"the collector has the trace of a change of {name}")
    root, below = found[-1]
    return root, {each["name"]: each for each in below}


async def test_a_change_is_a_trace_until_the_last_ack(mesh: Mesh, told: Path, way: socket.socket) -> None:
    # What came while nobody listened is given up; nothing waits for it.
    assert (await mesh.get("client", "http://web")).status == 200
    async with reached(mesh, way):
        for turn in range(1, 100):  # until the exporter tries again
            await mesh.apply(documents(virtual_service("web", {"timeout": f"{turn}s", "route": [to("web")]})))
            if any(True for _ in traces(told)):
                break
        root, below = await trace_of(mesh, told, "VirtualService shop/web")
    assert {"wait", "build", "wave", "translate", "publish", "push"} <= below.keys()
    assert "code" not in root["status"]
    tags, push = attributes(root), below["push"]
    assert int(tags["plait.proxies"]) >= 1
    assert (tags["plait.proxies.waiting"], tags["plait.nacks"], tags["plait.refused"]) == ("0", "0", "0")
    assert int(tags["plait.bytes"]) > 0
    last = push["events"][-1]
    assert last["name"] == "last ack"
    assert "client" in attributes(last)["proxy"] or "web" in attributes(last)["proxy"]
    assert int(last["timeUnixNano"]) <= int(push["endTimeUnixNano"]) == int(root["endTimeUnixNano"])
    begins = [int(below[name]["startTimeUnixNano"]) for name in ("build", "wave", "translate", "publish", "push")]
    assert begins == sorted(begins)
    assert int(root["startTimeUnixNano"]) <= begins[0]


async def test_a_change_that_is_refused_is_an_error(mesh: Mesh, told: Path, way: socket.socket) -> None:
    match = {"context": "SIDECAR_OUTBOUND", "cluster": {"service": "web.shop.svc.cluster.local"}}
    change = {"operation": "MERGE", "value": {"connect_timeout": "-1s"}}
    patches = [{"applyTo": "CLUSTER", "match": match, "patch": change}]
    bad = {
        **security("EnvoyFilter", "bad", configPatches=patches),
        "apiVersion": "networking.istio.io/v1alpha3",
    }
    async with reached(mesh, way):
        await mesh.apply(documents(bad))
        root, _ = await trace_of(mesh, told, "EnvoyFilter shop/bad")
    assert root["status"]["code"] == ERROR
    assert root["status"]["message"].startswith("sent to nobody: cds outbound|80||web.shop.svc.cluster.local")
    assert int(attributes(root)["plait.refused"]) >= 1
