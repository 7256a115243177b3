"""Two meshes at once: the one that all are served, and beside it the one with a change that is being tried.

Both are made of the same objects but for those of the change. Each proxy is served from one of them: bytes are known by
their hashes, so that who goes from one to the other is sent what differs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from xds.decoders.build import Builder, Change
from xds.generations.publication import Publication, Recipients
from xds.judging.last_good import LastGood
from xds.judging.proving import Proving
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.pipeline import Pipeline
from xds.proxies.served import Follower, Served
from xds.rollout.signals import INBOUND_STREAMS, TCP
from xds.server import Rejection, SnapshotCache
from xds.slices import Slices, in_slices
from xds.wire.resource import ResourceSet, steps
from xds.wire.type_urls import EXTENSION

_INBOUND: Final = ("inbound", "virtualInbound")
_OF_NAMES: Final = "_-.*"


@dataclass(frozen=True, slots=True)
class Stable:
    """The mesh that all are served, and what serves it."""

    builder: Builder
    pipeline: Pipeline
    served: Served
    proving: Proving
    cache: SnapshotCache


@dataclass(frozen=True, slots=True)
class News:
    """What both meshes are told: ``Builder.apply``'s arguments."""

    upserts: tuple[tuple[ObjectRef, Any], ...] = ()
    deletes: tuple[ObjectRef, ...] = ()
    keeping: AbstractSet[ObjectRef] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change makes other for a proxy: resources by name; whether any is about what its workload is asked."""

    names: frozenset[str] = frozenset()
    inbound: bool = False

    def concerns(self, stream: str) -> bool:
        """Whether requests of that stream may fare otherwise."""
        if stream in INBOUND_STREAMS:
            return self.inbound
        stream = stream.removesuffix(TCP)
        return "." in stream and any(_names(name, stream) for name in self.names)


NOTHING: Final = Touched()


class Part:
    """Those of the proxies that ``served`` serves for whom ``mine`` is true; the others are somebody else's."""

    def __init__(self, served: Recipients, mine: Callable[[Proxy], bool]) -> None:
        self._served = served
        self._mine = mine

    @property
    def followers(self) -> list[Follower]:
        """As ``Served.followers``."""
        return self._served.followers

    def prepare(self, proxy: Proxy) -> None:
        """As ``Served.prepare``."""
        self._served.prepare(proxy)

    def of(self, proxy: Proxy) -> ResourceSet | None:
        """As ``Served.of``."""
        return self._served.of(proxy)

    def publish(self, proxy: Proxy, resources: ResourceSet, since: float | None = None) -> None:
        """As ``Served.publish``; nothing for others' proxies."""
        if self._mine(proxy):
            self._served.publish(proxy, resources, since)

    def publish_endpoints(self, changed: Mapping[Proxy, ResourceSet], since: float | None = None) -> Slices[None]:
        """As ``Served.publish_endpoints``, of those that are mine."""
        mine = {proxy: resources for proxy, resources in changed.items() if self._mine(proxy)}
        yield from self._served.publish_endpoints(mine, since)

    def refused_by_builds(self) -> Iterable[tuple[str, Rejection]]:
        """As ``Served.refused_by_builds``."""
        return self._served.refused_by_builds()

    def forget(self, proxy: Proxy) -> None:
        """As ``Served.forget``."""
        self._served.forget(proxy)


class _Guests(Part):
    """A part that comes and goes: who is forgotten here is still served elsewhere, and followed there."""

    @property
    def followers(self) -> list[Follower]:
        """Nobody yet."""
        return []

    def forget(self, proxy: Proxy) -> None:
        """Nothing."""


class World:
    """The mesh of ``stable`` with a change, for the proxies in ``members``. To be made while nothing is applied there.

    ``run`` has to run. What ``told`` is told is worked in one after the other, endpoints too, and waits for nobody.
    """

    def __init__(self, stable: Stable, members: AbstractSet[Proxy]) -> None:
        self._stable = stable
        self.builder = stable.builder.copy()
        self.pipeline = Pipeline(self.builder.snapshot, stable.proving.wanted, stable.proving.kept)
        served = _Guests(stable.served, members.__contains__)
        self._publication = Publication(self.pipeline, served, stable.proving, _nothing, LastGood(None))
        self._news: deque[News] = deque()
        self._applying = asyncio.Lock()
        self._leaving: set[Proxy] = set()
        self._work = asyncio.Event()
        self._work.set()
        self._unsettled = asyncio.Event()
        self._settling = False
        self.policies_changed: Callable[[], None] = _nothing
        """Told when policies are others than before: they may need keys of other token issuers."""
        self.idle = asyncio.Event()
        """Set while all that was told is published."""

    def told(self, news: News) -> None:
        """Work that in, too."""
        self._news.append(news)
        self.idle.clear()
        self._work.set()

    async def begin(self, change: News) -> list[Proxy]:
        """Have the change in it; the connected proxies that may be sent something else by that. Before ``run``."""
        made = await self._apply(change)
        return self._stable.pipeline.reached(made.inputs)

    async def run(self) -> None:
        """Follow what is told, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="rollout's mesh")
            group.create_task(self._settle(), name="rollout's judging")

    async def connect(self, *proxies: Proxy) -> None:
        """Make what these would be sent, and keep it up to date. Errors: ca.errors.CaError."""
        await self._publication.connect(*proxies)

    def drop(self, proxy: Proxy) -> None:
        """Forget one, soon."""
        self._leaving.add(proxy)
        self._work.set()

    async def show(self, proxies: Iterable[Proxy]) -> None:
        """Serve these, which have become members, from here."""
        await self._publication.show(proxies)

    async def differing(self, proxies: Iterable[Proxy]) -> dict[Proxy, Touched]:
        """What is other here for those of them to whom anything is, of those that are connected to both meshes."""
        found = {}
        for proxy in proxies:
            here = await in_slices(self.pipeline.set_of(proxy))
            there = await in_slices(self._stable.pipeline.set_of(proxy))
            touched = _touched(there, here) if here is not None and there is not None else NOTHING
            if touched.names:
                found[proxy] = touched
        return found

    def refusals(self) -> tuple[str, ...]:
        """What is refused here, by Envoy's rules or the prover, and not there."""
        known = self._stable.pipeline.quarantine.refusals
        found = self.pipeline.quarantine.refusals
        return tuple(f"Envoy refuses {key.name}: {found[key][0].reason}" for key in found if key not in known)

    async def _follow(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self._publication.disconnect(self._take_leaving)
            while self._news:
                await self._apply(self._news.popleft())
            if not (self._unsettled.is_set() or self._settling):
                self.idle.set()

    def _take_leaving(self) -> set[Proxy]:
        leaving, self._leaving = self._leaving, set()
        return leaving

    async def _apply(self, news: News) -> Change:
        async with self._applying:
            change = await in_slices(self.builder.apply(news.upserts, news.deletes, news.keeping))
            if not await self._publication.advance(change):
                self._unsettled.set()
            if any(each.table is Table.POLICY for each in change.inputs):
                self.policies_changed()
            return change

    async def _settle(self) -> None:
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            self._settling = True
            await self._publication.settled()
            self._settling = False
            self._work.set()


def _touched(before: ResourceSet, after: ResourceSet) -> Touched:
    names, inbound = set[str](), False
    for url in before.layers.keys() | after.layers.keys():
        for part in steps(before.of(url), after.of(url)):
            own = {*part.names, *part.removed}
            names |= own
            inbound |= any(_is_inbound(url, name) for name in own)
    return Touched(frozenset(names), inbound)


def _names(resource: str, host: str) -> bool:
    """Whether the host stands in a resource's name as a whole: hosts are proxies' word, which could be any letter."""
    at = resource.find(host)
    before, after = resource[:at][-1:], resource[at + len(host) :][:1]
    return at >= 0 and not any(each.isalnum() or each in _OF_NAMES for each in (before, after) if each)


def _is_inbound(url: str, name: str) -> bool:
    return name.startswith(_INBOUND) or (url == EXTENSION and not name.startswith("outbound"))


def _nothing() -> None:
    """Nobody is to be told."""
