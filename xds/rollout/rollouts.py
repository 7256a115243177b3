"""Rollouts of a control plane: what is held back, the one that is under way, and how the latest have ended.

There is one at a time. What changes within a moment rolls out together; what changes while one is under way waits, and
where it is an object of that one, that one begins anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from xds.events import Event
from xds.judging.proving import kept_at
from xds.model.problem import Problem, Severity
from xds.model.proxy import Proxy
from xds.model.refs import FieldRef, ObjectRef
from xds.rollout.counted import Both, PerProxy
from xds.rollout.course import Course, Standing
from xds.rollout.held import Held, HeldObjects, Known, State
from xds.rollout.kept import KeptObjects
from xds.rollout.marks import ANNOTATION, AT_ONCE, OFF, STAGED
from xds.rollout.progress import Phase, Plan
from xds.rollout.signals import Signals
from xds.rollout.world import News, Part, Stable, World
from xds.settings import Settings
from xds.sources.store import ObjectStore
from xds.view.wanted_keys import wanted_keys

log = structlog.get_logger()

_GATHER_S: Final = 1.0
_MOST_ENDED: Final = 50

Show = Callable[[Iterable[Proxy]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that is over."""

    standing: Standing
    at: datetime


class Rollouts:
    """What of the changes in ``store`` the mesh of ``stable`` is told, and who is served what else meanwhile.

    ``work_in`` has objects sorted out anew. ``signals`` may be set before ``run`` runs.
    """

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        stable: Stable,
        work_in: Callable[[Iterable[ObjectRef]], None],
    ) -> None:
        self._stable = stable
        self._work_in = work_in
        self._plan = Plan(settings.rollout_watch.total_seconds(), needs_traffic=settings.rollout_needs_traffic)
        self._kept = KeptObjects(kept_at(settings, "rollouts"))
        self._objects = HeldObjects(store, settings.rollouts, self._kept.read())
        self._members: set[Proxy] = set()
        self._due = False
        self._course: Course | None = None
        self._again = False
        self._news = asyncio.Event()
        self._begun = asyncio.Event()
        self._through = asyncio.Event()
        self._off = settings.rollouts == OFF
        self._counted = PerProxy(time.monotonic)
        self.signals: Signals = self._counted
        self.others = Part(stable.served, lambda proxy: proxy not in self._members)
        """Who is served from ``stable``."""
        self.needs_keys = False
        """Whether a rollout's mesh may need keys that were not asked for yet."""
        self.ended: deque[Ended] = deque(maxlen=_MOST_ENDED)
        """The latest that are over, the last one last."""

    # -- told by the succession of generations, which does one thing at a time

    def sorted_out(self, refs: Iterable[ObjectRef]) -> Known:
        """What of these the mesh is to have now; a rollout that is due begins with this."""
        found = self._objects.sorted_out(refs)
        if self._objects.disturbed:
            self._objects.disturbed = False
            if self._course is not None:
                self._again = True
                self._course.end(Phase.ABORTED, "an object of it has changed")
        if self._objects.news:
            self._news.set()
        if self._due:
            self._due = False
            self._begin()
        return found

    def told(
        self,
        upserts: Iterable[tuple[ObjectRef, Any]],
        deletes: Iterable[ObjectRef],
        keeping: AbstractSet[ObjectRef] = frozenset(),
    ) -> None:
        """The mesh is told this."""
        if self._course is not None:
            self._course.world.told(News(tuple(upserts), tuple(deletes), keeping))

    def wanted_keys(self) -> frozenset[str]:
        """Which keys of token issuers a rollout's mesh needs."""
        self.needs_keys = False
        return frozenset() if self._course is None else wanted_keys(self._course.world.builder.snapshot)

    def published(self) -> None:
        """All that was sorted out is published."""
        if not self._objects.releasing:
            self._through.set()

    def came(self, proxy: Proxy) -> None:
        """A proxy is connected."""
        if self._course is not None:
            self._course.came(proxy)

    def left(self, proxy: Proxy) -> None:
        """A proxy is served no more."""
        if self._course is not None:
            self._course.left(proxy)

    def sink(self, first: Any) -> Any:
        """A sink of proxies' metrics that tells ``first`` all, and the judge of rollouts what it needs."""
        return first if self._off else Both(first, self._counted)

    # -- asked by people and pages

    @property
    def held(self) -> Mapping[ObjectRef, Held]:
        """The objects that are held back."""
        return self._objects.held

    @property
    def standing(self) -> Standing | None:
        """How far the rollout is that is under way."""
        return None if self._course is None else self._course.standing

    def generations(self) -> Mapping[ObjectRef, int]:
        """Of the objects that are held back the generation that is served; 0 where nothing is."""
        return {ref: 0 if each.good is None else each.good.generation for ref, each in self.held.items()}

    async def problems(self) -> tuple[Problem, ...]:
        """Which objects came back, and why; and what is wrong with those that roll out."""
        aborted = [(ref, each.reason) for ref, each in self.held.items() if each.state is State.ABORTED]
        found = [_rolled_back(ref, reason) for ref, reason in sorted(aborted)]
        found += [_not_understood(ref, said) for ref, said in sorted(self._objects.misspelt.items())]
        if self._course is not None:
            found += [each for each in self._course.world.builder.problems if each.at.object in self.held]
        return tuple(found)

    def promote(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Let these through to all proxies, and what rolls out with them; answers which."""
        return self._decide(refs, Phase.PROMOTED, "promoted by hand")

    def abort(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Have these stay as they were until they change again, and what rolls out with them; answers which."""
        return self._decide(refs, Phase.ABORTED, "aborted by hand")

    def _decide(self, refs: Iterable[ObjectRef], phase: Phase, reason: str) -> tuple[ObjectRef, ...]:
        wanted = [ref for ref in refs if ref in self.held]
        if self._course is not None and any(self.held[ref].state is State.ROLLING for ref in wanted):
            self._course.end(phase, reason)
            wanted = [*dict.fromkeys((*wanted, *self._objects.rolling))]
        still = [ref for ref in wanted if self.held[ref].state is not State.ROLLING]
        if phase is Phase.PROMOTED:
            self._objects.release(still)
            self._work_in(still)
        else:
            self._objects.turn(still, State.ABORTED, reason)
            self._news.set()
        return tuple(sorted(wanted))

    # -- the work

    async def run(self, show: Show, changed: Callable[[], None]) -> None:
        """Roll out what is held back, for ever.

        ``show`` serves proxies from the mesh that all are served; ``changed`` is told when other things are wrong than
        before.
        """
        while True:
            if not self._objects.waiting:
                await self._news.wait()
            self._news.clear()
            await self._noted()
            changed()
            if self._objects.waiting:
                await asyncio.sleep(_GATHER_S)  # manifests are applied one after the other
                await self._roll(show)
                changed()

    async def _noted(self) -> None:
        self._objects.news = False
        held = {ref: (each.new, each.good, each.reason) for ref, each in self.held.items()}
        await asyncio.to_thread(self._kept.keep, held)

    def _begin(self) -> None:
        refs = self._objects.waiting
        self._objects.turn(refs, State.ROLLING)
        world = World(self._stable, self._members)
        world.policies_changed = self._want_keys
        self._course = Course(refs, self._stable, world, self._members, self.signals)
        self._begun.set()

    def _want_keys(self) -> None:
        self.needs_keys = True
        self._work_in(self._objects.rolling)

    async def _roll(self, show: Show) -> None:
        waiting = self._objects.waiting
        if not waiting:
            return
        self._due = True
        self._begun.clear()
        self._work_in(waiting)
        await self._begun.wait()
        course = self._course
        if course is None or not course.standing.objects:
            self._course = None
            return
        log.info(Event.ROLLOUT_STARTED, objects=[str(ref) for ref in course.standing.objects])
        work = asyncio.create_task(course.world.run(), name="rollout's mesh")
        try:
            phase, reason = await self._outcome(course, work)
            if phase is Phase.PROMOTED and not self._again:
                self._through.clear()
                self._objects.release(course.standing.objects)
                self._work_in(course.standing.objects)
                await self._through.wait()
            back = list(self._members)
            self._members.clear()
            self._course = None
            await show(back)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        self._conclude(course.standing, phase, reason)

    async def _outcome(self, course: Course, work: asyncio.Task[None]) -> tuple[Phase, str]:
        change = self._change(course.standing.objects)
        going = asyncio.create_task(course.run(change, self._plan), name="rollout")
        try:
            await asyncio.wait([going, work], return_when=asyncio.FIRST_COMPLETED)
            if not going.done():
                await work  # it never ends by itself
            progress = await going
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a bug of ours, or no certificate to be had, must not end the serving
            log.exception(Event.ROLLOUT_FAILED, objects=[str(ref) for ref in course.standing.objects])
            return Phase.ABORTED, f"could not be carried out: {error!r}"
        finally:
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
        return progress.phase, progress.reason

    def _change(self, refs: Iterable[ObjectRef]) -> News:
        now = [(ref, self.held[ref].new) for ref in refs if ref in self.held]
        upserts = tuple((ref, each.struct) for ref, each in now if each is not None)
        return News(upserts, tuple(ref for ref, each in now if each is None))

    def _conclude(self, standing: Standing, phase: Phase, reason: str) -> None:
        self.ended.append(Ended(standing, datetime.now(UTC)))
        told = {"objects": [str(ref) for ref in standing.objects], "reason": reason, "proxies": len(standing.cohort)}
        if self._again:
            self._again = False
            self._objects.turn(self._objects.rolling, State.WAITING)
        elif phase is Phase.PROMOTED:
            log.info(Event.ROLLOUT_PROMOTED, **told)
        else:
            log.warning(Event.ROLLOUT_ABORTED, **told)
            self._objects.turn(self._objects.rolling, State.ABORTED, reason)
        self._news.set()


def _not_understood(ref: ObjectRef, said: str) -> Problem:
    at = FieldRef(ref, ("metadata", "annotations")).key(ANNOTATION)
    message = f"must be {STAGED} or {AT_ONCE}, is {said!r}: it counts for nothing"
    return Problem(at, "rollout.unknown", message, Severity.WARNING)


def _rolled_back(ref: ObjectRef, reason: str) -> Problem:
    at = FieldRef(ref, ("metadata", "annotations")).key(ANNOTATION)
    message = f"was rolled back, proxies have what was before: {reason}; change it, or plait rollout promote"
    return Problem(at, "rollout.aborted", message, Severity.ERROR)
