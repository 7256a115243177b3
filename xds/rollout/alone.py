"""The conductor of a control plane that is the only one of its mesh."""

from __future__ import annotations

from typing import Final

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
