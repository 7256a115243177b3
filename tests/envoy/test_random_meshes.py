"""Random valid manifests never make Envoy refuse anything, whatever came before them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from tests.envoy.loopback import bootstrap
from tests.histories import Event, World, histories, secured
from tests.security_histories import pair
from xds.api.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from xds.local.sidecar import installed_envoy
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.server import Server, SnapshotCache
from xds.slices import at_once
from xds.view.names import AUTHORITIES, CERTIFICATE
from xds.wire.codec import encode
from xds.wire.resource import Resource, ResourceSet, Table
from xds.wire.type_urls import SECRET

LIMIT_S = 30.0
# A port that takes mutual TLS, as little of it as there can be.
SELECTED = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "a", "name": "web"},
    "spec": {"clusterIP": "10.96.0.1", "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
}
OWN = labels({"app": "web", "version": "v1"})


def own_secrets() -> tuple[Table, ...]:
    """What a proxy is given that has proven who it is: a certificate, and whom to believe."""
    certificate, key = pair()
    own, believed = Secret(name=CERTIFICATE), Secret(name=AUTHORITIES)
    own.tls_certificate.certificate_chain.inline_bytes = certificate
    own.tls_certificate.private_key.inline_bytes = key
    believed.validation_context.trusted_ca.inline_bytes = certificate
    return tuple(Table([Resource(SECRET, each.name, encode(each))]) for each in (believed, own))


class Sidecar:
    """A real Envoy in a network namespace of its own (it binds the sidecar's ports), and the server that feeds it."""

    def __init__(self, folder: Path, *, delta: bool) -> None:
        self._folder = folder
        self._delta = delta
        self._proxy = Proxy("sidecar", namespace="a", name="pod-1", labels=OWN, vhds=delta, identity=Identity.ADS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._cache = SnapshotCache(lambda node: "all")
        self._secrets = own_secrets()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def take(self, history: list[Event]) -> None:
        """Live through a history. Errors: Rejected, with Envoy's words; TimeoutError."""
        world = World()
        pipeline = Pipeline(world.builder.snapshot)
        self._run(self._offer(at_once(pipeline.connect(self._proxy))))
        for event in history:
            for resources in at_once(pipeline.advance(world.happen(event))).values():
                self._run(self._offer(resources))

    def counted(self, pattern: str) -> dict[str, int]:
        """Envoy's counters whose names match the regular expression."""
        transport = httpx.HTTPTransport(uds=str(self._folder / "admin"))
        with httpx.Client(transport=transport, timeout=LIMIT_S) as client:
            found = client.get("http://envoy/stats", params={"format": "json", "filter": pattern}).json()
        return {each["name"]: each["value"] for each in found["stats"] if "value" in each}

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    async def _offer(self, resources: ResourceSet) -> None:
        # As app.py adds what identities.py makes.
        self._cache.set("all", ResourceSet({**resources.layers, SECRET: (*resources.of(SECRET), *self._secrets)}))
        async with asyncio.timeout(LIMIT_S):
            await self._cache.acked("all")

    async def _start(self) -> None:
        socket = self._folder / "xds"
        self._server = Server(self._cache)
        self._server.add_plaintext(f"unix:{socket}")
        await self._server.start()
        config = bootstrap(0, delta=self._delta)
        (cluster,) = config["static_resources"]["clusters"]
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = {"pipe": {"path": str(socket)}}
        config["admin"]["address"] = {"pipe": {"path": str(self._folder / "admin")}}
        path = self._folder / "envoy.yaml"
        path.write_text(yaml.safe_dump(config))
        flags = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "--drain-time-s", "1")
        command = ("unshare", "--net", str(installed_envoy()), "--config-path", str(path), *flags)
        self._envoy = await asyncio.create_subprocess_exec(*command)

    async def _stop(self) -> None:
        self._envoy.terminate()
        await self._envoy.wait()
        await self._server.stop()


@pytest.fixture(scope="module", params=["delta", "sotw"])
def sidecar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    with Sidecar(tmp_path_factory.mktemp("random"), delta=request.param == "delta") as running:
        yield running
        # What comes after the last ACK that a history waits for is refused as loudly.
        refused = running.counted(r"(update_rejected|config_fail|config_conflict)$")
        assert not {name: count for name, count in refused.items() if count}


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
def test_envoy_takes_every_history(sidecar: Sidecar, history: list[Event]) -> None:
    sidecar.take(history)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(secured)
def test_so_it_does_where_most_is_about_identity(sidecar: Sidecar, history: list[Event]) -> None:
    sidecar.take(history)


def test_certificates_and_slots_are_really_in_use(sidecar: Sidecar) -> None:
    sidecar.take([[SELECTED]])
    deadline = time.monotonic() + LIMIT_S
    while not (_total(sidecar, r"ssl_context_update_by_sds$") and _total(sidecar, r"^extension_config.*reload$")):
        assert time.monotonic() < deadline, "no certificate, or no filter configuration"
        time.sleep(0.02)


def _total(sidecar: Sidecar, pattern: str) -> int:
    return sum(sidecar.counted(pattern).values())
