"""What the test kit makes of answers."""

from __future__ import annotations

import json
from random import Random

import pytest

from xds.testing.answers import Answer, Reply, likely, shares


def echo(version: str, status: int = 200) -> Answer:
    return Answer(status, body=json.dumps({"pod": "web", "version": version, "headers": {"x-a": "1"}}))


def test_shares_count_who_answered() -> None:
    assert shares([echo("v1"), echo("v2"), echo("v1")]) == {"v1": 2, "v2": 1}
    assert shares([echo("v1")], "pod") == {"web": 1}
    with pytest.raises(AssertionError, match="503"):
        shares([echo("v1"), echo("v1", 503)])


def test_answers_are_read() -> None:
    told = {"status": 200, "headers": [["X-A", "1"], ["x-a", "2"]], "body": echo("v1").body, "elapsed_s": 0.5}
    answer = Answer.of(told)
    assert (answer.headers, answer.pod, answer.seen, answer.elapsed.total_seconds()) == (
        {"x-a": "1, 2"},
        "web",
        {"x-a": "1"},
        0.5,
    )
    with pytest.raises(AssertionError, match="no answer of plait echo"):
        _ = Answer(503, body="no healthy upstream").echo
    with pytest.raises(AssertionError, match="closed=True"):
        _ = Reply.of({"messages": [], "closed": True}).echo


def test_likely_is_sure_where_there_is_no_chance() -> None:
    assert list(likely(10, 0.0)) == [0]
    assert list(likely(10, 1.0)) == [10]


def test_likely_holds_what_it_says() -> None:
    expected = likely(1000, 0.1)
    assert (expected.start, expected.stop) == (57, 150)
    assert likely(1000, 0.1, doubt=0.01).start > expected.start
    dice = Random(1)
    hits = [sum(dice.random() < 0.3 for _ in range(200)) for _ in range(2000)]
    narrow = likely(200, 0.3, doubt=0.05)
    outside = sum(count not in narrow for count in hits)
    assert 0 < outside <= 2000 * 0.05 * 1.5
