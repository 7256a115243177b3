"""How far a rollout is, and what comes next: a pure state machine, asked whenever something may have happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from xds.rollout.judge import Call, Judgement


class Phase(StrEnum):
    """What a step is at."""

    ACKNOWLEDGING = "waiting for the proxies to acknowledge"
    WATCHING = "watching"
    WAITING = "waiting for traffic, or for plait rollout promote"
    PROMOTED = "promoted"
    ABORTED = "aborted"


PROMOTED_BY_HAND: Final = "promoted by hand"
ABORTED_BY_HAND: Final = "aborted by hand"
UNKNOWN: Final = Judgement(Call.WAIT)
ENDED: Final = frozenset({Phase.PROMOTED, Phase.ABORTED})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a rollout goes. Units: seconds. ``needs_traffic``: a step of which nothing can be said waits for people."""

    watch_s: float
    acknowledge_s: float = 30.0
    needs_traffic: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: the number of the step, from 0, of ``steps``; since when it is at that phase; why, where it ended.

    Units: ``since`` is seconds of the monotonic clock.
    """

    steps: int
    step: int
    phase: Phase
    since: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the cohort now; ``troubles`` are things that no figure outweighs: a NACK, a pod not ready."""

    acknowledged: bool = False
    troubles: tuple[str, ...] = ()
    judgement: Judgement = UNKNOWN


def begun(steps: int, now: float) -> Progress:
    """The first step; promoted at once where there is nobody to go to."""
    return Progress(steps, 0, Phase.ACKNOWLEDGING if steps else Phase.PROMOTED, now)


def following(known: Progress, seen: Seen, plan: Plan, now: float) -> Progress:
    """How far it is after that was seen: the same, a phase or a step further, or at its end."""
    if known.phase in ENDED:
        return known
    if harm := _harm(known, seen, plan, now):
        return replace(known, phase=Phase.ABORTED, since=now, reason=harm)
    if known.phase is Phase.ACKNOWLEDGING:
        return replace(known, phase=Phase.WATCHING, since=now) if seen.acknowledged else known
    if known.phase is Phase.WATCHING and now - known.since < plan.watch_s:
        return known
    if seen.judgement.call is Call.WAIT and plan.needs_traffic:
        return known if known.phase is Phase.WAITING else replace(known, phase=Phase.WAITING, since=now)
    if known.step + 1 < known.steps:
        return Progress(known.steps, known.step + 1, Phase.ACKNOWLEDGING, now)
    return replace(known, phase=Phase.PROMOTED, since=now, reason="no harm was seen")


def _harm(known: Progress, seen: Seen, plan: Plan, now: float) -> str:
    """Why it must end; empty where nothing says so."""
    if seen.troubles:
        return "; ".join(seen.troubles)
    if known.phase is not Phase.ACKNOWLEDGING:
        return seen.judgement.reason if seen.judgement.call is Call.ABORT else ""
    late = not seen.acknowledged and now - known.since >= plan.acknowledge_s
    return f"not acknowledged within {plan.acknowledge_s:g} s" if late else ""
