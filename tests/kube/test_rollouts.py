"""Rollouts of two whole control planes with an API server: one first proxy, a stop for all, an Event that says why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kube.api_server import ApiServer
from tests.kube.policy_server import policy_server
from tests.kube.policy_server import running as working
from tests.unit.rollout.sidecars import Sidecar, running
from xds.app import ControlPlane
from xds.cluster.cluster import Cluster
from xds.identity.trust import NOBODY
from xds.install.access import cluster_role, cluster_role_binding, role, role_binding, service_account
from xds.install.values import Values
from xds.model.refs import ObjectRef
from xds.rollout.held import State
from xds.settings import Settings
from xds.wire.type_urls import VIRTUAL_HOST

HOST = "80/web.default.svc.cluster.local:80"
ROUTES = ObjectRef("networking.istio.io", "VirtualService", "default", "web")
SYSTEM = "plait-system"
VALUES = Values(namespace=SYSTEM)
ACCESS = (service_account, cluster_role, cluster_role_binding, role, role_binding)
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    yield from policy_server(tmp_path_factory)


def routes(prefix: str) -> dict[str, Any]:
    http = [{"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": "web"}}]}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "default", "annotations": {"plait.dev/rollout": "staged"}},
        "spec": {"hosts": ["web"], "http": http},
    }


@dataclass
class Mesh:
    server: ApiServer
    folder: Path
    control_planes: dict[str, ControlPlane] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    sidecars: list[Sidecar] = field(default_factory=list)

    @asynccontextmanager
    async def replica(self, name: str, *sidecars: Sidecar) -> AsyncIterator[None]:
        address = f"unix:{self.folder}/{name}"
        settings = Settings(
            kubeconfig=self.folder / "kubeconfig",
            namespace=SYSTEM,
            pod_name=name,
            xds="",
            xds_plaintext=address,
            http="",
            prover="off",
            state_dir=self.folder / f"state-{name}",
            rollout_watch=timedelta(seconds=90),
        )
        cluster = Cluster(settings)
        async with (
            ControlPlane(settings, [cluster.source], NOBODY, cluster.rollouts) as control_plane,
            working(lambda: cluster.serve(control_plane)),
            running(address, *sidecars),
        ):
            self.control_planes[name], self.clusters[name] = control_plane, cluster
            self.sidecars += sidecars
            try:
                await self.until(lambda: all((VIRTUAL_HOST, HOST) in each.held for each in sidecars))
                yield
            finally:
                del self.control_planes[name], self.clusters[name]
                self.sidecars = [each for each in self.sidecars if each not in sidecars]

    async def apply(self, *objects: dict[str, Any]) -> None:
        await asyncio.to_thread(self.server.apply, *objects)

    def routed(self, prefix: str) -> list[Sidecar]:
        return [each for each in self.sidecars if prefix.encode() in each.held.get((VIRTUAL_HOST, HOST), b"")]

    def states(self) -> list[State | None]:
        held = [each.rollouts.held.get(ROUTES) for each in self.control_planes.values()]
        return [None if each is None else each.state for each in held]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(90):
            while not true():  # noqa: ASYNC110 - what is waited for is a state of others
                await asyncio.sleep(0.05)


def sidecars(*numbers: int) -> list[Sidecar]:
    return [Sidecar(f"web-{n}", f"10.0.0.{n}", {"app": "web"}) for n in numbers]


def events(server: ApiServer) -> list[str]:
    found = json.loads(server.kubectl("get", "events", "-o", "json").stdout)
    return [each["message"] for each in found["items"] if each["involvedObject"]["name"] == "web"]


async def test_one_rollout_of_two_control_planes(server: ApiServer, tmp_path: Path) -> None:
    found = Mesh(server, tmp_path)
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    await found.apply(*(make(VALUES) for make in ACCESS), SERVICE, routes("/one"))
    token = server.kubectl("-n", SYSTEM, "create", "token", VALUES.name).stdout.strip()
    (tmp_path / "kubeconfig").write_text(server.kubeconfig_text(token))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(found.replica("a", *sidecars(1, 2)))
        await stack.enter_async_context(found.replica("b", *sidecars(3, 4)))
        await found.until(lambda: len(found.routed("/one")) == 4)
        await found.apply(routes("/two"))
        await found.until(lambda: found.states() == [State.ROLLING, State.ROLLING])
        await found.until(lambda: len(found.routed("/two")) == 1)
        follower = next(name for name, each in found.clusters.items() if not each.rollouts.leading)
        found.control_planes[follower].rollouts.abort([ROUTES])
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        await found.until(lambda: len(found.routed("/one")) == 4)
        said: list[str] = []
        while not any("aborted by hand" in each for each in said):
            said = await asyncio.to_thread(events, server)
            await asyncio.sleep(0.2)
    async with found.replica("c", *sidecars(1, 2, 3, 4)):  # all have restarted
        assert len(found.routed("/one")) == 4
        assert found.states() == [State.ABORTED]
        found.control_planes["c"].rollouts.promote([ROUTES])
        await found.until(lambda: len(found.routed("/two")) == 4)
