"""What query parameters ask for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from xds.local.echo.shape import Failures, Shape, duration, shape


@pytest.mark.parametrize(("text", "wanted"), [("200ms", 0.2), ("1.5s", 1.5), ("2m", 120.0), ("3", 3.0), ("10us", 1e-5)])
def test_durations(text: str, wanted: float) -> None:
    assert duration(text) == timedelta(seconds=wanted)


def test_shapes() -> None:
    assert shape({"unknown": "x"}) == Shape()
    assert shape({"headers": "X-A:b, c:d:e"}).headers == (("x-a", "b"), ("c", "d:e"))
    assert shape({"close": "1"}).close
    assert not shape({"close": "0"}).close


@pytest.mark.parametrize("asked", [{"status": "x"}, {"delay": "soon"}, {"chunks": ""}])
def test_nonsense_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot shape an answer"):
        shape(asked)


def test_the_first_requests_of_a_key_fail() -> None:
    failures = Failures()
    assert [failures.next("a", 2) for _ in range(3)] == [(1, True), (2, True), (3, False)]
    assert failures.next("b", 0) == (1, False)
