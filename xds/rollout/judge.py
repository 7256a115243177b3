"""Whether a cohort fares worse than the rest: a pure function of what both have told.

Shares are compared by Newcombe's interval of a difference (Wilson's score intervals of both), latency by how many
requests are slower than the rest's p99 allows; so a few requests need a great difference, many a small one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

from xds.rollout.signals import INBOUND, INBOUND_TCP, TCP, TOTAL, Counts, Streams

_NOTHING: Final = Counts()
_TAIL: Final = 0.01  # beyond a p99


class Call(StrEnum):
    """What the figures say."""

    CONTINUE = "continue"
    WAIT = "wait"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the figures say, and why; ``requests`` are those of the cohort that it was judged by."""

    call: Call
    reason: str = ""
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as worse.

    ``fewest`` requests are needed on both sides, and ``fewest_bad`` that are bad: of one or two nothing follows.
    Units: ``share`` is of all requests; ``slower_ms`` is milliseconds; ``deviations`` how many standard deviations a
    difference must be beyond chance: 3 is one in 700 such comparisons.
    """

    fewest: int = 10
    fewest_bad: int = 3
    share: float = 0.01
    slower: float = 1.5
    slower_ms: float = 50.0
    deviations: float = 3.0


DEFAULT: Final = Limits()


def judge(cohort: Streams, rest: Streams, past: Streams, limits: Limits = DEFAULT) -> Judgement:
    """Whether the cohort fares worse than ``rest``, which is others now, or where those tell too little, than its past.

    WAIT where nothing that has enough requests has anything to be compared with.
    """
    judged = 0
    for name in sorted(cohort, key=lambda name: (name == TOTAL, name)):  # what says more comes first
        mine = cohort[name]
        others = next((each for each in _beside(name, rest, past) if each.requests >= limits.fewest), None)
        if mine.requests < limits.fewest or others is None:
            continue
        judged = max(judged, mine.requests) if name == TOTAL else judged + mine.requests
        if (reason := _worse(mine, others, limits)) and not _usual(name, mine, past, limits):
            return Judgement(Call.ABORT, f"{named(name)}: {reason}", mine.requests)
    if judged:
        return Judgement(Call.CONTINUE, requests=judged)
    told = sum(each.requests for name, each in cohort.items() if name != TOTAL)
    return Judgement(Call.WAIT, "too few requests to compare", told)


def _usual(name: str, mine: Counts, past: Streams, limits: Limits) -> bool:
    """Whether it was so before: who only looks whether somebody listens has no answers, and others have."""
    before = past.get(name, _NOTHING)
    return name.endswith(TCP) and before.requests >= limits.fewest and not _worse(mine, before, limits)


def _beside(name: str, rest: Streams, past: Streams) -> Iterable[Counts]:
    return rest.get(name, _NOTHING), past.get(name, _NOTHING)


def named(stream: str) -> str:
    """What people call a stream."""
    known = {
        INBOUND: "requests to the workload itself",
        INBOUND_TCP: "connections to the workload itself",
        TOTAL: "all requests of the workload, and to it",
    }
    return known.get(stream, f"{'connections' if stream.endswith(TCP) else 'requests'} to {stream}")


def _worse(mine: Counts, others: Counts, limits: Limits) -> str:
    for what, bad, known in (("fail", mine.failed, others.failed), ("are refused", mine.refused, others.refused)):
        share, usual = bad / mine.requests, known / others.requests
        certain = surely_more(bad, mine.requests, known, others.requests, limits.deviations)
        if bad >= limits.fewest_bad and share - usual > limits.share and certain > 0:
            return f"{share:.1%} {what} ({bad} of {mine.requests}), elsewhere {usual:.1%}"
    return _slower(mine, others, limits)


def _slower(mine: Counts, others: Counts, limits: Limits) -> str:
    usual, now = others.quantile(1 - _TAIL), mine.quantile(1 - _TAIL)
    if usual is None or now is None or min(mine.timed, others.timed) < limits.fewest:
        return ""
    limit_ms = max(usual * limits.slower, usual + limits.slower_ms)
    beyond, allowed = mine.slower_than(limit_ms), others.slower_than(limit_ms)
    certain = surely_more(beyond, mine.timed, max(allowed, _TAIL * others.timed), others.timed, limits.deviations)
    return f"p99 is {now:.0f} ms, elsewhere {usual:.0f} ms" if now > limit_ms and certain > 0 else ""


def surely_more(bad: float, of: float, known: float, of_known: float, deviations: float) -> float:
    """The least by which the share ``bad / of`` is greater than ``known / of_known``; not positive where it may not be.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions, method 10 (1998).
    """
    share, usual = bad / of, known / of_known
    low, high = wilson(share, of, deviations)[0], wilson(usual, of_known, deviations)[1]
    return share - usual - sqrt((share - low) ** 2 + (high - usual) ** 2)


def wilson(share: float, of: float, deviations: float) -> tuple[float, float]:
    """Between what a share that was seen in ``of`` trials may lie. Source: E. B. Wilson (1927)."""
    square = deviations**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = deviations * sqrt(share * (1 - share) / of + square / (4 * of**2)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)
