"""The conductor of one control plane's part in a rollout of its mesh."""

from __future__ import annotations

from xds.rollout.concert import Concert
from xds.rollout.judge import Judgement
from xds.rollout.lead import Round
from xds.rollout.progress import Phase
from xds.rollout.sight import Sight


class Follower:
    """The conductor of one control plane's part in the rollout ``known``: as the concert decides it."""

    def __init__(self, concert: Concert, known: Round) -> None:
        self._concert = concert
        self._known = known
        self.lost = False
        """Set when there is that rollout no more, and nobody has said how it ended."""

    @property
    def name(self) -> str:
        """What this control plane is called."""
        return self._concert.name

    @property
    def round(self) -> Round:
        """How far the rollout is."""
        return self._known

    @property
    def judgement(self) -> Judgement | None:
        """What the figures say, where this one leads."""
        return self._concert.judgement if self._concert.leading else None

    def next(self, sight: Sight, now: float) -> Round:
        """How far it is, as was decided; at its end when this one sees harm itself."""
        self._concert.sees(sight)
        found = self._concert.decision.round
        if found is None or found.number != self._known.number:
            self.lost = True
            self._known = self._known.ended(Phase.ABORTED, "there is another rollout", now)
        elif sight.troubles and not found.over:
            self._known = found.ended(Phase.ABORTED, "; ".join(sight.troubles), now)
        else:
            self._known = found
        return self._known
