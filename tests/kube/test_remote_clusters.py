"""Remote clusters by their Secrets: endpoints of two real API servers, whichever comes, changes, fails or goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

from tests.kube.api_server import ApiServer
from tests.kube.remotes import ROOT, endpoint_slice, namespace, remote_secret, service
from tests.kube.waiting import until
from xds.model.refs import ObjectRef
from xds.sources.remote_clusters import RemoteClusters
from xds.sources.store import ObjectStore

SLICE = ObjectRef("discovery.k8s.io", "EndpointSlice", "shop", "web-1", "west")


class Reading:
    """The remote clusters of an API server's Secrets, read into a store."""

    def __init__(self, own: ApiServer, patience: timedelta) -> None:
        self.source = RemoteClusters("east", api_client=own.client(), patience=patience)
        self.store = ObjectStore([self.source.name])

    async def read(self) -> None:
        async with aclosing(self.source.changes()) as changes:
            async for change in changes:
                self.store.apply(change)

    @property
    def addresses(self) -> list[str]:
        """Those of the remote's slice."""
        found = self.store.get(SLICE)
        return [] if found is None else [each.addresses[0] for each in found.struct.endpoints]

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.store.problems()]

    def status(self, cluster: str = "west") -> str:
        found = self.source.health().clusters.get(cluster)
        return found.status if found is not None else ""


@asynccontextmanager
async def reading(own: ApiServer, patience: timedelta = timedelta(seconds=30)) -> AsyncIterator[Reading]:
    seen = Reading(own, patience)
    task = asyncio.create_task(seen.read())
    try:
        yield seen
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def apply(server: ApiServer, *objects: dict[str, Any]) -> None:
    await asyncio.to_thread(server.apply, *objects)


async def test_a_remote_cluster_comes_changes_and_goes_by_its_secret(
    own_api_server: ApiServer, other_api_server: ApiServer
) -> None:
    await apply(other_api_server, namespace("shop"), service("web"), endpoint_slice("web", "10.2.0.1"))
    async with reading(own_api_server) as seen:
        await until(lambda: seen.store.synced)
        assert not len(seen.store)
        await apply(own_api_server, ROOT, remote_secret("west", other_api_server))
        await until(lambda: seen.addresses == ["10.2.0.1"])
        assert seen.status() == "synced"
        assert {ref.ref.cluster for ref in seen.store} == {"west"}
        await apply(other_api_server, endpoint_slice("web", "10.2.0.1", "10.2.0.2"))
        await until(lambda: len(seen.addresses) == 2)

        refused = other_api_server.whole_kubeconfig(exec={"command": "id", "apiVersion": "x"})
        await apply(own_api_server, remote_secret("west", refused))
        await until(lambda: seen.codes == ["remote.kubeconfig"])
        assert "would run a program" in str(seen.store.problems()[0])
        assert len(seen.addresses) == 2, "what it was read with before stays"

        other = remote_secret("north", other_api_server, name="istio-remote-secret-west")
        await asyncio.to_thread(own_api_server.kubectl, "-n", "istio-system", "delete", "secret", "--all")
        await until(lambda: not len(seen.store) and not seen.codes)
        await apply(own_api_server, other)
        await until(lambda: seen.status("north") == "synced" and seen.status() == "")


async def test_an_api_server_that_goes_away_takes_nothing_with_it(
    own_api_server: ApiServer, other_api_server: ApiServer
) -> None:
    await apply(other_api_server, namespace("shop"), service("web"), endpoint_slice("web", "10.2.0.1"))
    await apply(own_api_server, ROOT, remote_secret("west", other_api_server))
    async with reading(own_api_server) as seen:
        await until(lambda: seen.store.synced)
        assert seen.addresses == ["10.2.0.1"], "the first picture has the remote's endpoints"
        await asyncio.to_thread(other_api_server.stop)
        await until(lambda: bool(seen.source.health().clusters["west"].why))
        assert seen.addresses == ["10.2.0.1"]
        await asyncio.to_thread(other_api_server.start)
        await apply(other_api_server, endpoint_slice("web", "10.2.0.3"))
        await until(lambda: seen.addresses == ["10.2.0.3"])


async def test_a_cluster_that_cannot_be_reached_holds_nothing_up_for_long(
    own_api_server: ApiServer, other_api_server: ApiServer
) -> None:
    await apply(other_api_server, namespace("shop"), service("web"), endpoint_slice("web", "10.2.0.1"))
    await asyncio.to_thread(other_api_server.stop)
    await apply(own_api_server, ROOT, remote_secret("west", other_api_server))
    async with reading(own_api_server, timedelta(seconds=1)) as seen:
        await until(lambda: seen.store.synced and seen.codes == ["remote.not-read"])
        assert seen.status() == "timeout"
        await asyncio.to_thread(other_api_server.start)
        await until(lambda: seen.addresses == ["10.2.0.1"] and not seen.codes)
