"""One rollout among a control plane's own proxies: who is moved when, and what is seen of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from xds.events import Event
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.proxies.presence import group_of
from xds.rollout.cohort import Place, placed, workload_hash
from xds.rollout.judge import DEFAULT, Judgement, surely_more
from xds.rollout.lead import Round
from xds.rollout.progress import ENDED, Phase, Progress
from xds.rollout.sight import NO_FIGURES, Figures, Sight
from xds.rollout.signals import TOTAL, Signals, Streams
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
    began: datetime = field(default_factory=lambda: datetime.now(UTC))


class Conductor(Protocol):
    """Who says how far a rollout is."""

    @property
    def name(self) -> str:
        """What this control plane is called."""
        ...

    @property
    def round(self) -> Round:
        """How far the rollout is, as far as is known."""
        ...

    @property
    def judgement(self) -> Judgement | None:
        """What the figures say, where that is known here."""
        ...

    def next(self, sight: Sight, now: float) -> Round:
        """How far it is after that was seen here; one of another number: there is this rollout no more."""
        ...


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
        self._places: dict[Proxy, Place] = {}
        self._at = (-1, 0)  # the step that was entered last, and how many it gave us
        self._told_figures = NO_FIGURES
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

    async def run(self, change: News, conductor: Conductor) -> Progress:
        """Go from step to step as ``conductor`` says; the end. Errors: ca.errors.CaError.

        What is in ``members`` then is still there.
        """
        try:
            await self._prepare(change)
            progress = self._ended() or await self._turn(conductor)
            while progress is None or progress.phase not in ENDED:
                await self._wait()
                progress = self._ended() or await self._turn(conductor)
            self.standing.progress = progress
            return progress
        finally:
            for task in self._answers.values():
                task.cancel()

    async def _prepare(self, change: News) -> None:
        suspects = await self.world.begin(change)
        await self.world.connect(*suspects)
        await self.world.idle.wait()
        connected = self._connected()
        touched = await self.world.differing(each for each in suspects if group_of(each) in connected)
        everybody = tuple(self._stable.pipeline.views)
        self._signals.begin()
        telling = _telling({each: self._signals.before((each,)) for each in touched}, touched)
        self._places = placed(touched, everybody, telling.__contains__)
        self._order = tuple(sorted(touched, key=self._places.__getitem__))
        self.standing.affected = len(touched)

    async def _turn(self, conductor: Conductor) -> Progress | None:
        """What is decided by what is seen now, and done."""
        sight = await self._look(conductor.round)
        found = conductor.next(sight, time.monotonic())
        known, progress = self.standing.progress, found.progress
        if progress is not None and progress.phase not in ENDED:
            count = len(self._order) if found.last else found.given.get(conductor.name, 0)
            if (progress.step, count) != self._at and not (found.last and self._at[0] == progress.step):
                await self._enter(progress, count, last=found.last)
            elif progress.phase is Phase.WATCHING and (known is None or known.phase is not Phase.WATCHING):
                self._signals.begin()
        self.standing.judgement, self.standing.progress = conductor.judgement, progress
        return progress

    async def _enter(self, progress: Progress, count: int, *, last: bool) -> None:
        """Move those who are new in this step."""
        connected = self._connected()
        there = tuple(each for each in self._order if group_of(each) in connected)
        mine = [each for each in there if each in self._members]  # who has it keeps it
        others = [each for each in there if each not in self._members]
        away = [each for each in self._order if each not in set(there)]
        self._order = (*mine, *others, *away)
        cohort = self._order if last else self._order[:count]
        new = [each for each in cohort if each not in self._members]
        self._at = (progress.step, count)
        self._members.update(new)
        self._ready = frozenset(each for each in self._stable.pipeline.views if self._is_ready(each) is True)
        await self.world.show(new)
        self._await(self._members)
        self.standing.cohort = tuple(each.label for each in cohort)
        if new:
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

    def _ended(self) -> Progress | None:
        if self._end is None:
            return None
        phase, reason = self._end
        known = self.standing.progress or Progress(0, 0, phase, 0.0)
        return replace(known, phase=phase, since=time.monotonic(), reason=reason)

    async def _look(self, known: Round) -> Sight:
        """What is to be seen of the affected proxies now."""
        progress = self.standing.progress
        await self._take_late(last=known.last)
        groups = {group.name: group for group in self._stable.cache.groups()}
        gone = not any(group_of(each) in groups for each in self._members)
        if progress is not None and not known.last and self._at[1] and gone:
            await self._enter(progress, self._at[1], last=False)  # others take their place
        there = [each for each in self._order if group_of(each) in groups]
        mine = [each for each in self._members if group_of(each) in groups]
        acknowledged = all((task := self._answers.get(each)) is None or task.done() for each in mine)
        troubles = (*self.world.refusals(), *self._refused(groups, mine), *self._unready(mine))
        place = self._places.get(there[0]) if there else None
        alike = tuple(sorted({workload_hash(each) for each in mine}))
        step, _ = self._at
        return Sight(
            known.number,
            len(there),
            place,
            step,
            len(mine),
            acknowledged,
            troubles,
            alike,
            self._figures(mine, {*alike, *known.alike}, progress),
        )

    async def _take_late(self, *, last: bool) -> None:
        if not self._late:
            return
        late, self._late = self._late, set()
        await self.world.connect(*late)
        if last and (new := await self.world.differing(late)):
            self._members.update(new)
            self._order = (*self._order, *(each for each in new if each not in set(self._order)))
            await self.world.show(new)

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

    def _figures(self, mine: Sequence[Proxy], alike: AbstractSet[str], progress: Progress | None) -> Figures:
        """What proxies have told, once a second; nothing before it is watched."""
        if progress is None or progress.phase is Phase.ACKNOWLEDGING:
            self._told_figures, self._figures_at = NO_FIGURES, 0.0
        elif (now := time.monotonic()) - self._figures_at >= _FIGURES_S:
            self._figures_at = now
            others = [each for each in self._stable.pipeline.views if each not in self._members]
            peers = [each for each in others if workload_hash(each) in alike]
            rest = others if not peers else []  # adding up is work, and who has replicas is not compared with others
            since, before, known = self._signals.since, self._signals.before, self._signals.known
            told = Figures(since(mine), len(peers), since(peers), since(rest))
            told = replace(told, cohort_before=before(mine), rest_before=before(peers), others_before=before(rest))
            told = replace(told, cohort_known=known(mine), rest_known=known(peers), others_known=known(rest))
            self._told_figures = replace(told, settled=self._signals.settled(mine))
        return self._told_figures

    def _connected(self) -> frozenset[str]:
        return frozenset(self._stable.cache.connected())


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
