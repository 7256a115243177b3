"""Histograms: buckets of proxies become ours, and quantiles lie where the values do."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.telemetry.histogram import BOUNDS, BUCKETS, counts, places, quantile

VALUES = st.lists(st.floats(0, 1e6), max_size=50)
ANY_BOUNDS = st.lists(st.floats(0.1, 1e7), max_size=20, unique=True).map(sorted)


def row(found: dict[int, float]) -> list[float]:
    return [found.get(place, 0.0) for place in range(BUCKETS)]


def below(values: list[float], bounds: list[float]) -> list[int]:
    return [sum(value <= bound for value in values) for bound in bounds]


@given(VALUES, ANY_BOUNDS)
def test_nothing_is_lost_whatever_the_bounds(values: list[float], bounds: list[float]) -> None:
    found = counts(below(values, bounds), len(values), places(bounds))
    assert sum(found.values()) == len(values)
    assert all(0 <= place < BUCKETS and number > 0 for place, number in found.items())


@given(VALUES)
def test_our_own_bounds_are_kept(values: list[float]) -> None:
    found = row(counts(below(values, list(BOUNDS)), len(values), places(BOUNDS)))
    wanted = [0.0] * BUCKETS
    for value in values:
        wanted[bisect_left(BOUNDS, value)] += 1
    assert found == wanted


@given(VALUES.filter(bool), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_in_the_bucket_of_the_value(values: list[float], share: float) -> None:
    found = quantile(row(counts(below(values, list(BOUNDS)), len(values), places(BOUNDS))), share)
    ordered = sorted(values)
    true = ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
    assert found is not None
    place = min(bisect_left(BOUNDS, true), len(BOUNDS) - 1)
    assert (BOUNDS[place - 1] if place else 0) <= found <= BOUNDS[place]


def test_within_a_bucket_values_are_spread_evenly() -> None:
    between_100_and_250 = [0.0] * BUCKETS
    between_100_and_250[BOUNDS.index(250.0)] = 10
    assert quantile(between_100_and_250, 0.5) == pytest.approx(175)
    assert quantile([0.0] * BUCKETS, 0.5) is None


def test_what_is_no_histogram_counts_as_nothing_where_it_is_none() -> None:
    assert counts([5, 3, 900], 7, places([1, 5, 10])) == {BOUNDS.index(1.0): 5, BOUNDS.index(25.0): 2}
