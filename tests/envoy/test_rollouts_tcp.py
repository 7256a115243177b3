"""Harmful changes of TCP that roll out in steps: connections that get no answer, and connections that are missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service
from xds.rollout.progress import Phase
from xds.slices import at_once
from xds.telemetry.known import Wanted
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

CLIENTS, SERVERS = ("client-1", "client-2", "client-3"), ("web-1", "web-2")
TOLD = timedelta(seconds=60)
MISSED = timedelta(
    seconds=150
)  # watched for a minute; what nobody counts is missed when others have gone on for a while
A_TIME = 5
PAUSE_S = 0.4


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        *(pod(name, account="client") for name in CLIENTS),
        *(pod(name, account="web", ports="tcp:9000") for name in SERVERS),
        service("web", {"name": "tcp", "port": 9000}),
        security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
    )


def staged(kind: str, **spec: object) -> Manifest:
    metadata = {"name": "tried", "namespace": "shop", "annotations": {"plait.dev/rollout": "staged"}}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def routed(host: str, port: int) -> Manifest:
    route = [{"destination": {"host": host, "port": {"number": port}}}]
    return staged("VirtualService", hosts=["web"], tcp=[{"match": [{"port": 9000}], "route": route}])


HARMFUL = {
    "a host that does not exist": routed("wbe", 9000),
    "no encryption where it is asked for": staged(
        "DestinationRule", host="web", trafficPolicy={"tls": {"mode": "DISABLE"}}
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traffic(module_mesh: Mesh) -> AsyncIterator[None]:
    """Connections from all clients without end, of which the control plane has been told."""

    async def connect(name: str) -> None:
        while True:
            with contextlib.suppress(Exception):  # what fails is what this is about
                await module_mesh.tcp(name, "web", 9000, ["hello"], count=A_TIME, greetings=0)
            await asyncio.sleep(PAUSE_S)

    tasks = [asyncio.create_task(connect(name)) for name in CLIENTS]

    async def told() -> bool:
        edges = at_once(module_mesh.up.control_plane.telemetry.known.graph(60, Wanted()))
        return sum(edge.signals.connections_opened for edge in edges) > 100 * len(CLIENTS)

    try:
        await module_mesh.until(told, "proxies have told of connections", MISSED)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.parametrize("what", HARMFUL)
async def test_harm_to_connections_is_stopped_in_the_first_cohort(mesh: Mesh, traffic: None, what: str) -> None:
    rollouts = mesh.up.control_plane.rollouts
    before = len(rollouts.ended)
    await mesh.apply(documents(HARMFUL[what]))

    async def ended() -> bool:
        return len(rollouts.ended) > before

    await mesh.until(ended, "it has come back", MISSED)
    progress = rollouts.ended[-1].standing.progress
    assert progress is not None
    print(f"{what}: {progress.phase}, {progress.reason}")
    assert (progress.phase, progress.step) == (Phase.ABORTED, 0)
    assert "connections to web.shop.svc.cluster.local" in progress.reason
