"""What a control plane that is the only one of its mesh rolls out, and who leads it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from xds.rollout.attempt import Noted, Roll
from xds.rollout.choice import GATHER_S, Choice
from xds.rollout.held import HeldObjects
from xds.rollout.judge import Judgement
from xds.rollout.lead import Objects, Round, decided
from xds.rollout.progress import UNKNOWN, Plan
from xds.rollout.sight import Sight

_OWN: Final = "own"


class Alone:
    """Leads one rollout of ``objects`` by what it sees itself."""

    name = _OWN

    def __init__(self, plan: Plan, objects: Objects, now: float) -> None:
        self._plan = plan
        self.round = Round(1, objects, now)
        self.judgement: Judgement | None = None

    def next(self, sight: Sight, now: float) -> Round:
        """How far it is after that was seen."""
        self.round, judgement = decided(self.round, {_OWN: sight}, (_OWN,), self._plan, now)
        self.judgement = None if judgement is UNKNOWN else judgement
        return self.round


class ByItself:
    """Rolls out what is held back of ``objects``; ``news`` is set when other objects are held back than before."""

    def __init__(self, plan: Plan, objects: HeldObjects, choice: Choice, news: asyncio.Event) -> None:
        self._plan = plan
        self._objects = objects
        self._choice = choice
        self._news = news

    async def run(self, roll: Roll, noted: Noted) -> None:
        """One rollout after the other, for ever: ``roll`` carries it out."""
        while True:
            if not self._objects.waiting:
                await self._news.wait()
            self._news.clear()
            await noted()
            if self._objects.waiting:
                await asyncio.sleep(GATHER_S)
                objects = tuple((ref, "") for ref in self._choice.chosen(self._objects.waiting))
                await roll(objects, Alone(self._plan, objects, time.monotonic()))
