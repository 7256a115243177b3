"""What is tried first, and which hosts meet."""

from __future__ import annotations

import pytest

from xds.model.route import Comparison, NamedMatch, RequestMatch, StringMatch
from xds.view.gateway_api.precedence import meeting, precision, rank

EXACT, SEGMENTS, REGEX = Comparison.EXACT, Comparison.SEGMENTS, Comparison.REGEX


def match(
    path: str = "", kind: Comparison = SEGMENTS, method: str = "", headers: int = 0, queries: int = 0
) -> RequestMatch:
    value = StringMatch(EXACT, "x")
    named = [NamedMatch(f"h{count}", value) for count in range(headers)]
    named += [NamedMatch(":method", StringMatch(EXACT, method))] if method else []
    return RequestMatch(
        StringMatch(kind, path) if path else None,
        headers=tuple(named),
        queries=tuple(NamedMatch(f"q{count}", value) for count in range(queries)),
    )


def test_matches_in_the_order_in_which_they_are_tried() -> None:
    wanted = [
        match("/a", EXACT),
        match("/long/path"),
        match("/long", method="GET", headers=1),
        match("/long", method="GET"),
        match("/long", headers=3),
        match("/long", headers=2, queries=2),
        match("/long", headers=2),
        match("/long", queries=1),
        match("/long"),
        match("/a/.*", REGEX),
        match(method="GET"),
        match(headers=1),
        match(),
    ]
    ranks = [rank(each) for each in wanted]
    assert ranks == sorted(set(ranks))


def test_hosts_by_precision() -> None:
    wanted = ["foo.example.com", "a.com", "*.foo.example.com", "*.example.com", "*.com", ""]
    ranks = [precision(each) for each in wanted]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("", "", ""),
        ("", "a.com", "a.com"),
        ("a.com", "a.com", "a.com"),
        ("a.com", "b.com", None),
        ("*.a.com", "x.a.com", "x.a.com"),
        ("*.a.com", "x.y.a.com", "x.y.a.com"),
        ("*.a.com", "a.com", None),
        ("*.a.com", "xa.com", None),
        ("*.a.com", "*.x.a.com", "*.x.a.com"),
        ("*.a.com", "*.b.com", None),
        ("*.com", "*.a.com", "*.a.com"),
    ],
)
def test_where_hosts_meet(one: str, other: str, both: str | None) -> None:
    assert meeting(one, other) == both
    assert meeting(other, one) == both
