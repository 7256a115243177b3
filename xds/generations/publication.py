"""What the pipeline makes is published when it is judged: complete generations, of which nothing is refused.

Endpoints do not wait: load assignments are judged by rules alone, and go out before all else of their generation. Those
that go stay until then: what has not changed yet may name them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from xds.admin.exposition import Metric, Sample, gauge
from xds.decoders.build import Builder, Change
from xds.explain.analyze.credentials import USED, Used
from xds.generations.drained import Drained
from xds.history.history import History
from xds.judging.culprits import Culprits, by_fleet
from xds.judging.instead import hosts_of
from xds.judging.last_good import LastGood
from xds.judging.proving import Proving
from xds.judging.quarantine import Refusal
from xds.model.problem import Problem
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.pipeline import Pipeline
from xds.prover.beside import Work
from xds.prover.candidate import UNPROVEN, Verdict
from xds.proxies.served import Follower
from xds.server import Rejection
from xds.slices import Slices, in_slices
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import short

_AGAIN_S = 5.0
_MOST_ROUNDS = 32


class Recipients(Protocol):
    """Who is served: ``Served``, or a part of those that it serves. Its methods are that one's."""

    @property
    def followers(self) -> list[Follower]:
        """Who wants to know what is served."""
        ...

    def prepare(self, proxy: Proxy) -> None:
        """Have the proxy's secrets made. Errors: ca.errors.CaError."""

    def of(self, proxy: Proxy) -> ResourceSet | None:
        """What a proxy is served."""

    def publish(self, proxy: Proxy, resources: ResourceSet, since: float | None = None) -> None:
        """Serve a proxy these. Errors: ca.errors.CaError."""

    def publish_endpoints(self, changed: Mapping[Proxy, ResourceSet], since: float | None = None) -> Slices[None]:
        """Serve those of them that are served the load assignments that they are to have."""
        ...

    def refused_by_builds(self) -> Iterable[tuple[str, Rejection]]:
        """What proxies of one version of Envoy have refused."""
        ...

    def forget(self, proxy: Proxy) -> None:
        """Serve it no more."""


class Publication:
    """Serves connected proxies what ``pipeline`` makes. ``done`` is told when something was published.

    ``kept`` has what is sent instead of refused resources outlive a restart: that of ``proving``, if not given.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        served: Recipients,
        proving: Proving,
        done: Callable[[], None],
        kept: LastGood | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._served = served
        self._proving = proving
        self._done = done
        self._kept = kept or proving.kept
        self._changing = asyncio.Lock()
        self._judging = asyncio.Lock()
        self._dirty: dict[Proxy, float | None] = {}
        self._advanced = False
        self.history = History()
        self.drained = Drained()
        self.drained.followers.append(self.history.drained)
        served.followers.append(self.history)
        pipeline.quarantine.told.append(self._refused)

    def blame(self, builder: Builder) -> Callable[[], Awaitable[tuple[Problem, ...]]]:
        """What finds whose objects are behind what is refused, among those of ``builder``."""
        culprits = Culprits(self._pipeline.quarantine, builder, self._proving.opinions)

        async def problems() -> tuple[Problem, ...]:
            found = (*await culprits.problems(), *by_fleet(self._served.refused_by_builds(), self._pipeline.makes))
            if culprits.later_s is not None:
                asyncio.get_running_loop().call_later(culprits.later_s, self._done)
            return found

        return problems

    def shown(self) -> frozenset[ObjectRef]:
        """The Secrets with certificates that gateways and rules name now."""
        found: tuple[Used, ...] = self._pipeline.graph.get(USED)
        return frozenset(each.ref for each in found)

    def metrics(self) -> Iterable[Metric]:
        """What was judged, what is refused and what is served unproven."""
        quarantine, prover = self._pipeline.quarantine, self._proving.prover
        yield gauge("plait_resources_quarantined", "Resources that are sent to nobody.", len(quarantine.refusals))
        yield gauge("plait_resources_unproven", "Resources served without proof.", len(self._proving.owed))
        if prover is not None:
            yield gauge("plait_prover_up", "Whether the prover can be asked.", int(not prover.away))
            counts = prover.counts
            found = {"proven": counts.proven, "refused": counts.refused, "unproven": counts.unproven}
            samples = tuple(Sample(count, (("outcome", outcome),)) for outcome, count in found.items())
            yield Metric("plait_prover_verdicts_total", "counter", "Contents that were judged.", samples)

    async def work(self) -> Work:
        """What has to run for the judging."""
        return {**await self._proving.open(), "prover's debts": self._prove_owed()}

    async def advance(self, change: Change, told: Mapping[ObjectRef, float] = MappingProxyType({})) -> bool:
        """Go on to a change's snapshot; whether all of it is published: else ``settled`` does that.

        ``told`` is when its objects were told of. Units: seconds of the monotonic clock.
        """
        since = min(told.values(), default=None)
        async with self._changing:
            await in_slices(self.history.made(told))
            began = time.monotonic()
            changed = await in_slices(self._pipeline.advance(change))
            self.history.stage("wave", began, self._pipeline.waved)
            self.history.stage("translate", self._pipeline.waved)
            for proxy in changed:
                self._dirty.setdefault(proxy, since)
            self._advanced = True
            if not self._pipeline.quarantine.candidates and not self._judging.locked():
                await in_slices(self._publish())
                return True
            await in_slices(self._served.publish_endpoints(changed, since))
            return False

    async def connect(self, *proxies: Proxy) -> None:
        """Serve proxies. Errors: ca.errors.CaError."""
        for proxy in proxies:
            async with self._changing:
                self._served.prepare(proxy)
                await in_slices(self._pipeline.connect(proxy))
                self._dirty[proxy] = None
        await self.settled()

    async def show(self, proxies: Iterable[Proxy]) -> None:
        """Serve connected proxies, that had their resources from elsewhere, those from here."""
        self._dirty.update(dict.fromkeys(proxies))
        await self.settled()

    async def disconnect(self, gone: Callable[[], Iterable[Proxy]]) -> tuple[Proxy, ...]:
        """Forget proxies: those that ``gone`` answers when nothing else is being changed."""
        async with self._changing:
            leaving = tuple(gone())
            self._pipeline.disconnect(*leaving)
            for proxy in leaving:
                self._dirty.pop(proxy, None)
                self._served.forget(proxy)
        return leaving

    async def settled(self) -> None:
        """Return when all that is made is judged and published. Errors: ca.errors.CaError, of a proxy's own."""
        async with self._judging:
            began = time.monotonic()
            for _ in range(_MOST_ROUNDS):
                if not (candidates := self._pipeline.quarantine.candidates):
                    break
                await self._settle(await self._proving.verdicts(candidates))
            # Who always has something new, as names that are asked for on demand, does not hold up all others.
            while candidates := self._pipeline.quarantine.candidates:
                await self._settle(dict.fromkeys(candidates, UNPROVEN))
            self.history.stage("proof", began)
            async with self._changing:
                await in_slices(self._publish())
            await asyncio.to_thread(self._kept.keep, dict(self._pipeline.quarantine.sent))

    async def _prove_owed(self) -> None:
        """Have what was sent unproven judged when there is somebody again, for ever."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            prover, owed = self._proving.prover, self._proving.owed
            if prover is None or prover.away or not owed:
                continue
            async with self._judging:
                await self._settle(await self._proving.verdicts(tuple(owed.values())))
            await self.settled()

    async def _settle(self, verdicts: Mapping[Resource, Verdict]) -> None:
        good = [each for each, verdict in verdicts.items() if not verdict.refused]
        refused = [await self._refusal(each, verdict) for each, verdict in verdicts.items() if verdict.refused]
        async with self._changing:
            for proxy in await in_slices(self._pipeline.settle(good, refused)):
                self._dirty.setdefault(proxy, None)

    def _refused(self, refusal: Refusal) -> None:
        self.history.refused(f"{short(refusal.resource.type_url)} {refusal.resource.name}", refusal.reason)

    async def _refusal(self, resource: Resource, verdict: Verdict) -> Refusal:
        """The refusal of a resource, with what is bad in it: virtual hosts of a route table, patches."""
        hosts = hosts_of(resource)
        judged = await self._proving.verdicts(hosts.values()) if hosts else {}
        bad = {each.name: said.reason for each, said in judged.items() if said.refused}
        reason = "; ".join(f"{name}: {said}" for name, said in sorted(bad.items())) or verdict.reason
        alone = self._pipeline.patched_alone(resource)
        tried = await self._proving.verdicts(alone) if alone else {}
        numbers = [number for number, each in enumerate(alone) if tried[each].refused]
        return self._pipeline.refusal(resource, reason, frozenset(bad), numbers)

    def _publish(self) -> Slices[None]:
        """Serve those whose resources are others what they are now. In the loop's slices nothing else changes them."""
        began = time.monotonic()
        while self._dirty:
            proxy = next(iter(self._dirty))
            since = self._dirty.pop(proxy)
            resources: ResourceSet | None = yield from self._pipeline.set_of(proxy)
            if resources is not None:
                before = self._served.of(proxy)
                if before is not None:
                    self.drained.note(before, resources)
                self._served.publish(proxy, resources, since)
            yield
        self.drained.tell()
        quarantine = self._pipeline.quarantine
        if self._advanced or quarantine.changed:
            self._advanced = quarantine.changed = False
            self.history.stage("publish", began)
            self.history.published()
            self._done()
