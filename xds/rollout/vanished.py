"""Traffic that a cohort has no more, while the rest's goes on: of what is led nowhere nobody counts a failure. Pure.

Connections of TCP that cannot be made are not counted either, so that they are missed here.
"""

from __future__ import annotations

from typing import Final

from xds.rollout.judge import named
from xds.rollout.signals import INBOUND_STREAMS, TCP, TOTAL, Counts, Streams

_FEWEST: Final = 20  # before, on both sides
_EXPECTED: Final = 50.0
# What is told first may be of before the change, as proxies tell every ten seconds; the rest has told at most once more
# than a cohort that has told twice.
_LEFT: Final = 0.3
_NOTHING: Final = Counts()


def vanished(cohort: Streams, past: Streams, rest: Streams, rest_before: Streams, longer: float = 1.0) -> str:
    """Which of the cohort's streams has next to no requests any more; empty where none.

    To be expected are as many as the rest has now, in the proportion of before. The cohort's past is ``longer``:
    so many times the rest's, of whom some came later. What other hosts are asked more since then is a change of
    routes, not a loss; what goes where no host is known is lost.
    """
    for name in sorted(past.keys() - INBOUND_STREAMS - {TOTAL}):
        now, expected = cohort.get(name, _NOTHING).requests, _expected(name, past, rest, rest_before) / longer
        if expected < _EXPECTED or now > _LEFT * expected:
            continue
        alike = [each for each in cohort if "." in each and each != name and each.endswith(TCP) == name.endswith(TCP)]
        more = sum(_more(cohort[each], _expected(each, past, rest, rest_before) / longer) for each in alike)
        if more < (expected - now) / 2:
            return f"{named(name)}: {now}, where {expected:.0f} were to be expected as others go on"
    return ""


def _expected(name: str, past: Streams, rest: Streams, rest_before: Streams) -> float:
    """How many requests a stream would have; 0 where nothing can be said."""
    had, others, usual = (streams.get(name, _NOTHING).requests for streams in (past, rest, rest_before))
    return others * had / usual if had >= _FEWEST and usual >= _FEWEST else 0.0


def _more(now: Counts, expected: float) -> float:
    """How many more requests a stream has than it would have."""
    return max(0.0, now.requests - expected)
