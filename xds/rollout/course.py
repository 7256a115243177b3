"""One rollout, from the first proxy to its end: who is moved when, and what is seen of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import structlog

from xds.events import Event
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.proxies.presence import group_of
from xds.rollout.cohort import ordered, sizes, workload_of
from xds.rollout.judge import DEFAULT, Judgement, judge, surely_more
from xds.rollout.progress import ENDED, UNKNOWN, Phase, Plan, Progress, Seen, begun, following
from xds.rollout.signals import INBOUND, TOTAL, Signals, Streams, with_total
from xds.rollout.world import News, Stable, Touched, World
from xds.server import Rejected
from xds.server.cache import Group

log = structlog.get_logger()

_TICK_S: Final = 0.5
_FIGURES_S: Final = 1.0


@dataclass(slots=True)
class Standing:
    """How far a rollout is, for people."""

    objects: tuple[ObjectRef, ...]
    progress: Progress | None = None
    affected: int = 0
    cohort: tuple[str, ...] = ()
    judgement: Judgement | None = None


class Course:
    """A rollout of ``objects`` in ``world``. Who is in ``members``, which is its doing, is served from there."""

    def __init__(
        self, objects: Iterable[ObjectRef], stable: Stable, world: World, members: set[Proxy], signals: Signals
    ) -> None:
        self.standing = Standing(tuple(objects))
        self.world = world
        self._stable = stable
        self._members = members
        self._signals = signals
        self._order: tuple[Proxy, ...] = ()
        self._late: set[Proxy] = set()
        self._answers: dict[Proxy, asyncio.Task[None]] = {}
        self._ready: frozenset[Proxy] = frozenset()
        self._figures_at = 0.0
        self._told = asyncio.Event()
        self._end: tuple[Phase, str] | None = None

    def end(self, phase: Phase, reason: str) -> None:
        """Have it end like that, whatever is seen."""
        self._end = (phase, reason)
        self._told.set()

    def came(self, proxy: Proxy) -> None:
        """A proxy is there that may not have been."""
        if proxy not in self._members:
            self._late.add(proxy)

    def left(self, proxy: Proxy) -> None:
        """A proxy is there no more."""
        self._late.discard(proxy)
        self._members.discard(proxy)
        self._order = tuple(each for each in self._order if each != proxy)
        self.world.drop(proxy)

    async def run(self, change: News, plan: Plan) -> Progress:
        """Go from step to step; the end. Errors: ca.errors.CaError. What is in ``members`` then is still there."""
        try:
            progress = await self._begin(change)
            while progress.phase not in ENDED:
                await self._wait()
                now = time.monotonic()
                after = self._ended(progress, now) or following(progress, await self._seen(progress, now), plan, now)
                if after.step != progress.step:
                    await self._enter(after)
                    after = Progress(after.steps, after.step, after.phase, time.monotonic())
                elif after.phase is Phase.WATCHING and progress.phase is not Phase.WATCHING:
                    self._signals.begin()
                progress = self.standing.progress = after
            return progress
        finally:
            for task in self._answers.values():
                task.cancel()

    async def _begin(self, change: News) -> Progress:
        suspects = await self.world.begin(change)
        await self.world.connect(*suspects)
        await self.world.idle.wait()
        connected = self._connected()
        touched = await self.world.differing(each for each in suspects if group_of(each) in connected)
        everybody = tuple(self._stable.pipeline.views)
        now = time.monotonic()
        self._signals.begin()
        telling = _telling({each: self._signals.before((each,)) for each in touched}, touched)
        self._order = ordered(touched, everybody, telling.__contains__)
        self.standing.affected = len(touched)
        progress = begun(len(sizes(len(touched))), now)
        if refused := self.world.refusals():
            progress = following(progress, Seen(troubles=refused), Plan(0), now)
        progress = self._ended(progress, now) or progress
        self.standing.progress = progress
        if progress.phase not in ENDED:
            await self._enter(progress)
        return progress

    async def _enter(self, progress: Progress) -> None:
        """Move those who are new in this step."""
        connected = self._connected()
        there = tuple(each for each in self._order if group_of(each) in connected)
        self._order = (*there, *(each for each in self._order if each not in set(there)))
        last = progress.step + 1 == progress.steps
        known = sizes(len(self._order)) or (0,)
        cohort = self._order[: known[-1] if last else known[min(progress.step, len(known) - 1)]]
        new = [each for each in cohort if each not in self._members]
        self._members.update(new)
        self._ready = frozenset(each for each in self._stable.pipeline.views if self._is_ready(each) is True)
        await self.world.show(new)
        self._await(self._members)
        self.standing.cohort = tuple(each.label for each in cohort)
        log.info(
            Event.ROLLOUT_ADVANCED,
            objects=[str(ref) for ref in self.standing.objects],
            step=progress.step + 1,
            steps=progress.steps,
            proxies=len(cohort),
            first=[each.label for each in new[:3]],
        )

    def _await(self, proxies: Iterable[Proxy]) -> None:
        for each in proxies:
            known = self._answers.get(each)
            if known is None or known.done():
                self._answers[each] = asyncio.create_task(self._answered(each), name=f"answer of {each.label}")

    async def _answered(self, proxy: Proxy) -> None:
        try:
            await self._stable.cache.acked(group_of(proxy))
        except Rejected:
            return  # what was refused is looked at with the rest

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_TICK_S):
                await self._told.wait()
        except TimeoutError:
            return
        self._told.clear()

    def _ended(self, progress: Progress, now: float) -> Progress | None:
        if self._end is None or progress.phase in ENDED:
            return None
        phase, reason = self._end
        return Progress(progress.steps, progress.step, phase, now, reason)

    async def _seen(self, progress: Progress, now: float) -> Seen:
        last = progress.step + 1 == progress.steps
        if self._late:
            late, self._late = self._late, set()
            await self.world.connect(*late)
            if last and (new := await self.world.differing(late)):
                self._members.update(new)
                await self.world.show(new)
        groups = {group.name: group for group in self._stable.cache.groups()}
        if not last and not any(group_of(each) in groups for each in self._members):
            await self._enter(progress)  # all of them have gone: others take their place
        mine = [each for each in self._members if group_of(each) in groups]
        acknowledged = all((task := self._answers.get(each)) is None or task.done() for each in mine)
        troubles = (*self.world.refusals(), *self._refused(groups, mine), *self._unready(mine))
        judgement = self.standing.judgement or UNKNOWN
        if progress.phase is Phase.ACKNOWLEDGING:
            self.standing.judgement = None
            judgement = UNKNOWN
        elif now - self._figures_at >= _FIGURES_S or self.standing.judgement is None:
            self._figures_at = now
            judgement = self.standing.judgement = self._judged(mine)
        return Seen(acknowledged, troubles, judgement)

    def _refused(self, groups: dict[str, Group], mine: Iterable[Proxy]) -> Iterable[str]:
        """What proxies have refused of what only they are sent."""
        for proxy in mine:
            group = groups[group_of(proxy)]
            known = [*group.rejections, *(each for c in group.connections for each in c.stream.rejections.own)]
            for each in known:
                wanted, served = each.resource, group.resources
                here = served is not None and wanted.same(served.get(wanted.type_url, wanted.name))
                if here and not self._stable.pipeline.makes(wanted):
                    yield f"{proxy.label} refuses {wanted.name}: {each.reason}"

    def _unready(self, mine: Iterable[Proxy]) -> Iterable[str]:
        """Pods that were ready and are no more, where more of them are than by chance."""
        cohort = [each for each in mine if each in self._ready]
        rest = [each for each in self._ready if each not in self._members]
        lost = [each for each in cohort if self._is_ready(each) is False]
        if not lost or not rest:
            return
        usual = sum(self._is_ready(each) is False for each in rest)
        if surely_more(len(lost), len(cohort), usual, len(rest), DEFAULT.deviations) > 0:
            yield f"{', '.join(each.label for each in lost[:3])} is not ready any more"

    def _is_ready(self, proxy: Proxy) -> bool | None:
        """Whether a proxy's pod is ready; None where nobody knows, or it is about to go."""
        rows = self._stable.builder.snapshot.rows(Table.WORKLOAD, (proxy.namespace, proxy.name))
        return None if not rows or rows[0].leaving else bool(rows[0].ready)

    def _judged(self, mine: Iterable[Proxy]) -> Judgement:
        cohort = tuple(mine)
        alike = {workload_of(each) for each in cohort}
        others = [each for each in self._stable.pipeline.views if each not in self._members]
        peers = [each for each in others if workload_of(each) in alike]
        rest = self._signals.since(peers or others)
        past = with_total(self._signals.before(cohort))
        return judge(with_total(self._signals.since(cohort)), with_total(rest) if peers else _outbound(rest), past)

    def _connected(self) -> frozenset[str]:
        return frozenset(self._stable.cache.connected())


def _outbound(streams: Streams) -> Streams:
    """What others ask of others can be compared; what they are asked themselves cannot."""
    return {name: counts for name, counts in streams.items() if name not in {INBOUND, TOTAL}}


def _telling(told: Mapping[Proxy, Streams], touched: Mapping[Proxy, Touched]) -> AbstractSet[Proxy]:
    """Whose traffic can tell something: who has requests that are concerned; where nobody has, who has any."""
    concerned, some = set[Proxy](), set[Proxy]()
    for proxy, streams in told.items():
        requests = {name: counts.requests for name, counts in streams.items() if name != TOTAL}
        if sum(requests.values()) >= DEFAULT.fewest:
            some.add(proxy)
        if sum(count for name, count in requests.items() if touched[proxy].concerns(name)) >= DEFAULT.fewest:
            concerned.add(proxy)
    return concerned or some
