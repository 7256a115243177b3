"""Rollouts of a control plane: what is held back, the one that is under way, and how the latest have ended.

There is one at a time in a mesh. What changes within a moment rolls out together; what changes while one is under way
waits, and where it is an object of that one, that one begins anew, after what others wait for. Where a mesh has several
control planes, they agree by a board (``concert``).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from xds.events import Event
from xds.judging.proving import kept_at
from xds.model.problem import Problem
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.rollout.alone import ByItself
from xds.rollout.attempt import FAILED, Ended, change_of, outcome
from xds.rollout.board import Board, BoardRefused
from xds.rollout.choice import Choice
from xds.rollout.concert import Concert
from xds.rollout.counted import Both, PerProxy
from xds.rollout.course import Conductor, Course, Standing
from xds.rollout.follower import Follower
from xds.rollout.held import Held, HeldObjects, Known, State
from xds.rollout.joining import Joining
from xds.rollout.kept import KeptObjects
from xds.rollout.lead import Objects
from xds.rollout.marks import OFF
from xds.rollout.progress import ABORTED_BY_HAND, PROMOTED_BY_HAND, Phase, Plan
from xds.rollout.sight import Sight
from xds.rollout.signals import Signals
from xds.rollout.world import News, Part, Stable, World
from xds.rollout.wrong import wrong
from xds.settings import Settings
from xds.sources.store import ObjectStore
from xds.view.wanted_keys import wanted_keys

log = structlog.get_logger()

_MOST_ENDED: Final = 50

Show = Callable[[Iterable[Proxy]], Awaitable[None]]


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
        board: Board | None = None,
    ) -> None:
        self._stable = stable
        self._work_in = work_in
        self._plan = Plan(settings.rollout_watch.total_seconds(), needs_traffic=settings.rollout_needs_traffic)
        self._kept = KeptObjects(kept_at(settings, "rollouts"))
        self._objects = HeldObjects(store, settings.rollouts, self._kept.read())
        self._concert = None if board is None else Concert(board, self._plan, self._objects)
        self._choice = Choice()
        self._members: set[Proxy] = set()
        self._due: Objects | None = None
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
        if self._due is not None:
            due, self._due = self._due, None
            self._begin(due)
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
        found = list(wrong(self._objects))
        if self._course is not None:
            found += [each for each in self._course.world.builder.problems if each.at.object in self.held]
        return tuple(found)

    def promote(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Let these through to all proxies, and what rolls out with them; answers which."""
        return self._decide(refs, Phase.PROMOTED, PROMOTED_BY_HAND)

    def abort(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Have these stay as they were until they change again, and what rolls out with them; answers which."""
        return self._decide(refs, Phase.ABORTED, ABORTED_BY_HAND)

    def _decide(self, refs: Iterable[ObjectRef], phase: Phase, reason: str) -> tuple[ObjectRef, ...]:
        wanted = [ref for ref in refs if ref in self.held]
        if self._course is not None and any(self.held[ref].state is State.ROLLING for ref in wanted):
            if self._concert is None or phase is Phase.ABORTED:  # to go on is for all to agree on, to stop is not
                self._course.end(phase, reason)
            wanted = [*dict.fromkeys((*wanted, *self._objects.rolling))]
        still = [ref for ref in wanted if self.held[ref].state is not State.ROLLING]
        if self._concert is not None:
            self._concert.wish(phase, wanted, reason)
        elif phase is Phase.PROMOTED:
            self._objects.release(still)
            self._work_in(still)
        else:
            self._objects.turn(still, State.ABORTED, reason)
            self._news.set()
        return tuple(sorted(wanted))

    # -- the work

    async def open(self, stands_in: Callable[[], bool]) -> None:
        """Know what was held back before this one started. ``stands_in``: whether the mesh is what it was at last.

        Who may not read the board is alone.
        """
        if self._concert is None:
            return
        try:
            kept = await self._concert.open(stands_in)
        except BoardRefused:
            self._concert = None
            return
        if kept is not None:
            self._objects.kept = dict(kept)

    async def run(self, show: Show, changed: Callable[[], None]) -> None:
        """Roll out what is held back, for ever.

        ``show`` serves proxies from the mesh that all are served; ``changed`` is told when other things are wrong than
        before.
        """

        async def roll(objects: Objects, conductor: Conductor) -> None:
            await self._roll(objects, conductor, show)
            changed()

        async def noted() -> None:
            await self._noted()
            changed()

        if self._concert is None:
            await ByItself(self._plan, self._objects, self._choice, self._news).run(roll, noted)
        else:
            joining = Joining(self._concert, self._objects, self._choice, self._news, self._work_in)
            await joining.run(roll, noted)

    async def _noted(self) -> None:
        self._objects.news = False
        held = {ref: (each.new, each.good, each.reason) for ref, each in self.held.items()}
        await asyncio.to_thread(self._kept.keep, held)

    def _begin(self, objects: Objects) -> None:
        waiting = {ref: self.held[ref] for ref in self._objects.waiting}
        alone = self._concert is None
        refs = [ref for ref, version in objects if ref in waiting and (alone or waiting[ref].version == version)]
        self._begun.set()
        if not refs or (not alone and len(refs) < len(objects)):
            return
        self._objects.turn(refs, State.ROLLING)
        world = World(self._stable, self._members)
        world.policies_changed = self._want_keys
        self._course = Course(refs, self._stable, world, self._members, self.signals)

    def _want_keys(self) -> None:
        self.needs_keys = True
        self._work_in(self._objects.rolling)

    async def _roll(self, objects: Objects, conductor: Conductor, show: Show) -> None:
        if not objects:
            return
        self._due = objects
        self._begun.clear()
        self._work_in([ref for ref, _ in objects])
        await self._begun.wait()
        course = self._course
        if course is None:
            return
        log.info(Event.ROLLOUT_STARTED, objects=[str(ref) for ref in course.standing.objects])
        work = asyncio.create_task(course.world.run(), name="rollout's mesh")
        try:
            phase, reason = await outcome(course, change_of(self.held, course.standing.objects), conductor, work)
            if reason.startswith(FAILED) and self._concert is not None:
                self._concert.sees(Sight(conductor.round.number, troubles=(reason,)))
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
        self._conclude(course.standing, conductor, phase, reason)

    def _conclude(self, standing: Standing, conductor: Conductor, phase: Phase, reason: str) -> None:
        self.ended.append(Ended(standing, datetime.now(UTC)))
        told = {"objects": [str(ref) for ref in standing.objects], "reason": reason, "proxies": len(standing.cohort)}
        known = conductor.round
        again = self._again or (isinstance(conductor, Follower) and conductor.lost)
        apart = known.ended(phase, reason, 0.0).one_by_one
        if again:
            self._again = False
            self._choice.last |= self._objects.disturbers
            self._objects.turn(self._objects.rolling, State.WAITING)
        elif phase is Phase.PROMOTED:
            log.info(Event.ROLLOUT_PROMOTED, **told)
        else:
            log.warning(Event.ROLLOUT_ABORTED, **told)
            if apart:
                self._choice.came_back(self._objects.rolling)
            self._objects.turn(
                self._objects.rolling, State.WAITING if apart else State.ABORTED, "" if apart else reason
            )
        self._objects.disturbers.clear()
        self._news.set()
