"""Histograms of durations in buckets of our own, into which those of any proxy go; and quantiles of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4)
"""Upper bounds in milliseconds: those that Envoy has by default, as far as they matter; one more is for the rest."""

BUCKETS: Final = len(BOUNDS) + 1


def places(bounds: Sequence[float]) -> tuple[int, ...]:
    """The bucket of ours for each of a proxy's, and for what is above all of its bounds: the next one."""
    own = [bisect_left(BOUNDS, bound) for bound in bounds]
    return (*own, min(max(own, default=0) + 1, BUCKETS - 1))


def counts(below: Sequence[int], total: float, into: Sequence[int]) -> dict[int, float]:
    """How many values are in which bucket of ours.

    Shape:  ``below`` is how many lie below each of the proxy's bounds, ``total`` how many there are, ``into`` what
            ``places`` has said of these bounds.
    Errors: none: what does not grow from bound to bound, or beyond the total, counts as nothing.
    """
    found: dict[int, float] = {}
    before = 0.0
    for upto, place in zip((*below, total), into, strict=False):
        if before < upto <= total:
            found[place] = found.get(place, 0.0) + upto - before
            before = upto
    return found


def quantile(buckets: Sequence[float], share: float) -> float | None:
    """The duration, in milliseconds, below which that share of the values lies; None when there are none.

    Within a bucket values count as evenly spread; of the last one nothing is known but its lower bound.
    """
    sums = list(accumulate(buckets))
    total = sums[-1] if sums else 0.0
    if total <= 0:
        return None
    wanted = share * total
    at = min(bisect_left(sums, wanted), len(sums) - 1)
    if at >= len(BOUNDS):
        return BOUNDS[-1]
    lower = BOUNDS[at - 1] if at else 0.0
    before = sums[at - 1] if at else 0.0
    inside = (wanted - before) / buckets[at] if buckets[at] else 1.0
    return lower + (BOUNDS[at] - lower) * min(1.0, max(0.0, inside))
