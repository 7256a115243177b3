"""What ``/debug/live`` says of one object, before and after proxies have it, and of one that is wrong or unknown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.objects import applied, written
from tests.protocol.clients import DeltaClient, endpoints
from xds.decoders.build import Builder
from xds.findings import Findings
from xds.history import object_pages
from xds.history.history import History
from xds.history.object_pages import ObjectPages
from xds.model.refs import ObjectRef
from xds.proxies.live import Live
from xds.server.cache import Connection, SnapshotCache
from xds.server.delta import DeltaStream
from xds.server.node import Node, Peer
from xds.sources.changes import Replaced
from xds.sources.memory import MemorySource
from xds.sources.store import ObjectStore
from xds.view.graph import Graph
from xds.wire.resource import Resource, ResourceSet, Table
from xds.wire.type_urls import ENDPOINT

WRONG = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: nowhere}}]}]}
"""
WEB = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")
QUERY = {"group": WEB.group, "kind": WEB.kind, "namespace": WEB.namespace, "name": WEB.name}


class Plane:
    """The parts of a control plane that the pages ask; ``working`` are objects that are still being worked in."""

    def __init__(self) -> None:
        self.cache = SnapshotCache()
        self.working: set[ObjectRef] = set()
        store, builder = ObjectStore(["memory"]), Builder()
        objects = written(WRONG)
        store.apply(Replaced("memory", tuple(objects)))
        graph = Graph(applied(builder, objects).snapshot)
        self.findings = Findings(store, builder, graph, [MemorySource("memory", ())])
        self.pages = ObjectPages(Live(self.cache), store, self.findings, History(), self.working.__contains__)

    @asynccontextmanager
    async def looked_through(self) -> AsyncIterator[None]:
        """The block, while findings are brought up to date."""
        task = asyncio.create_task(self.findings.watch())
        self.findings.changed()
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def connected(self) -> DeltaClient:
        """A proxy that is to have something of the object."""
        group = self.cache.group("web-0")
        made = endpoints("a")
        group.resources = ResourceSet({ENDPOINT: (Table([Resource(ENDPOINT, made.name, made.body, [WEB])]),)})
        stream = DeltaStream("web-0", self.cache.names, group.rejections, self.cache.settings)
        stream.offer(group.resources)
        node = Node("web-0", metadata={"NAME": "web-0", "NAMESPACE": "shop"})
        self.cache.connect(Connection(node, Peer("ipv4:10.0.0.1:1"), group, stream))
        client = DeltaClient(stream)
        client.request(ENDPOINT, ["a"])
        return client


@pytest.fixture
def plane() -> Plane:
    """With one object, which leads nowhere."""
    return Plane()


async def told(plane: Plane, query: dict[str, str] = QUERY) -> dict[str, Any]:
    async with asyncio.timeout(60):
        return await plane.pages.live(query)


async def test_who_lacks_an_object_is_named_until_it_has_it(plane: Plane) -> None:
    async with plane.looked_through():
        proxy = plane.connected()
        before = await told(plane)
        assert (before["found"], before["served"], before["checked"]) == (True, True, True)
        assert (before["live"], before["total"], before["behind"]) == (0, 1, ["web-0.shop"])
        proxy.settle()
        after = await told(plane)
        assert (after["live"], after["total"], after["behind"]) == (1, 1, [])


async def test_what_is_wrong_with_it_is_told(plane: Plane) -> None:
    async with plane.looked_through():
        problems = (await told(plane))["problems"]
    assert [each["code"] for each in problems] == ["destination.host-unknown", "virtual-service.host-unknown"]


async def test_what_is_still_worked_on_is_not_served(plane: Plane) -> None:
    plane.working.add(WEB)
    async with plane.looked_through():
        assert not (await told(plane))["served"]


async def test_what_nobody_has_is_not_found(plane: Plane) -> None:
    async with plane.looked_through():
        found = await told(plane, {**QUERY, "name": "other"})
    assert (found["object"], found["found"], found["total"]) == ("VirtualService shop/other", False, 0)
    assert found["problems"] == []


async def test_a_look_that_takes_long_is_not_waited_for(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_pages, "_PATIENCE_S", 0.01)
    plane.findings.changed()
    assert not (await told(plane))["checked"]


async def test_a_query_that_is_none_is_refused(plane: Plane) -> None:
    with pytest.raises(ValueError, match="last must be a number"):
        await plane.pages.history({"last": "many"})
    assert await plane.pages.history({"generation": "7"}) is None
