"""When a control plane takes part in rollouts that its mesh agrees on, and what it does by the verdicts of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from xds.model.refs import ObjectRef
from xds.rollout.attempt import Noted, Roll
from xds.rollout.choice import GATHER_S, Choice
from xds.rollout.concert import Concert
from xds.rollout.follower import Follower
from xds.rollout.held import HeldObjects, State
from xds.rollout.lead import Round
from xds.rollout.progress import Phase

_AGREED_S: Final = 0.5
_IDLE_S: Final = 30.0
_WRITTEN_S: Final = 1.0


class Joining:
    """Joins what ``concert`` agrees on with the ``objects`` that are held back here; proposes, where this one leads.

    ``news`` is set when other objects are held back than before; ``work_in`` has objects sorted out anew.
    """

    def __init__(
        self,
        concert: Concert,
        objects: HeldObjects,
        choice: Choice,
        news: asyncio.Event,
        work_in: Callable[[Iterable[ObjectRef]], None],
    ) -> None:
        self._concert = concert
        self._objects = objects
        self._choice = choice
        self._news = news
        self._work_in = work_in
        self._left = -1  # the number of the rollout that this one took part in last

    async def run(self, roll: Roll, noted: Noted) -> None:
        """Take part, for ever: ``roll`` carries a rollout out here; ``noted`` is called when others are held back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._concert.run(self._heed), name="rollouts' board")
            group.create_task(self._join(roll, noted), name="rollouts of the mesh")

    async def _join(self, roll: Roll, noted: Noted) -> None:
        concert = self._concert
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGREED_S if self._objects.held or concert.active() else _IDLE_S):
                    await self._news.wait()
            if self._news.is_set():
                self._news.clear()
                await noted()
                concert.changed()
            known = concert.active()
            if known is None or known.number != self._left:
                concert.sees(None)
            # What others have begun, and whose leader this one is by now without having taken part, begins anew.
            orphan = known is not None and concert.leading and known.progress is not None
            if known is not None and not orphan and self._may_join(known):
                self._left = known.number
                await roll(known.objects, Follower(concert, known))
            elif concert.leading:
                await self._lead(known)

    async def _lead(self, known: Round | None) -> None:
        if known is not None:
            if not self._concert.ending:
                self._concert.drop(known.number)
        elif self._objects.waiting:
            await asyncio.sleep(GATHER_S)
            self._concert.propose(self._choice.chosen(self._objects.waiting))
            await asyncio.sleep(_WRITTEN_S)  # until it stands on the board

    def _may_join(self, known: Round) -> bool:
        """Whether the objects of a rollout wait here, too, in the same versions."""
        held = self._objects.held
        return known.number != self._left and all(
            ref in held and held[ref].state is State.WAITING and held[ref].version == version
            for ref, version in known.objects
        )

    def _heed(self) -> None:
        """Do as was decided with what does not roll out here."""
        decision, known = self._concert.decision, self._concert.active()
        begun = () if known is None or known.number == self._left else known.objects
        through = []
        for ref, each in self._objects.held.items():
            verdict = decision.verdicts.get(ref)
            if each.state is State.ROLLING:
                continue
            if verdict is not None and verdict.version == each.version:
                if verdict.phase is Phase.PROMOTED:
                    through.append(ref)
                elif each.state is State.WAITING:
                    self._turn(ref, State.ABORTED, verdict.reason)
            elif each.state is State.ABORTED and (ref, each.version) in begun:
                self._turn(ref, State.WAITING)
        if through:
            self._objects.release(through)
            self._work_in(through)
            self._news.set()

    def _turn(self, ref: ObjectRef, state: State, reason: str = "") -> None:
        self._objects.turn([ref], state, reason)
        self._news.set()
