"""Reading header edits, and merging those of a destination over its route's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translators.route_policies import Read, forwarding
from xds.translators.headers import Edits, HeaderOperations

NAMES = st.sampled_from(["a", "b", "c"])
NAMED = st.dictionaries(NAMES, st.sampled_from("123"), max_size=3).map(lambda found: tuple(sorted(found.items())))
EDITS = st.builds(Edits, st.sets(NAMES).map(lambda found: tuple(sorted(found))), NAMED, NAMED)


def done(edits: Edits, headers: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What Envoy makes of ``headers``: removals, then values that replace, then those that are added."""
    left = {name: values for name, values in headers.items() if name not in edits.remove}
    left |= {name: (value,) for name, value in edits.replace}
    for name, value in edits.add:
        left[name] = (*left.get(name, ()), value)
    return left


@given(EDITS, EDITS, st.dictionaries(NAMES, st.tuples(st.just("0"))))
def test_merged_edits_do_what_both_do(route: Edits, share: Edits, headers: dict[str, tuple[str, ...]]) -> None:
    assert done(share.after(route), headers) == done(share, done(route, headers))


@given(EDITS, EDITS)
def test_merge_keeps_directions_apart(route: Edits, share: Edits) -> None:
    merged = HeaderOperations(request=share).merge(HeaderOperations(response=route))
    assert merged == HeaderOperations(request=share.after(Edits()), response=Edits().after(route))


@pytest.mark.parametrize(
    ("headers", "findings"),
    [
        ({}, []),
        ({"request": {"set": {"HOST": "b"}}}, []),
        ({"response": {"set": {"Host": "b"}}}, ["headers.response.set.Host: headers.host"]),
        ({"request": {"add": {":Authority": "b"}}}, ["headers.request.add.:Authority: headers.host"]),
        ({"request": {"remove": [":path"]}}, ["headers.request.remove[0]: headers.pseudo"]),
        ({"request": {"remove": [""]}}, ["headers.request.remove[0]: headers.name"]),
        ({"request": {"add": {"é": "x"}}}, ["headers.request.add.é: headers.name"]),
        ({"request": {"add": {"x": "a\r\nb"}}}, ["headers.request.add.x: headers.value"]),
        ({"request": {"add": {"x": "%REQ(Correlation-Id)"}}}, ["headers.request.add.x: headers.format"]),
        ({"request": {"set": {"X": "1", "x": "2"}}}, ["headers.request.set.x: headers.twice"]),
    ],
)
def test_findings(headers: dict[str, Any], findings: list[str]) -> None:
    assert forwarding(headers=headers).findings == findings
    assert Read({"destination": {"host": "b"}, "headers": headers}, of_destination=True).findings == findings


def test_names_are_in_lower_case_and_in_order() -> None:
    request = {"set": {"B": "1", "a": "2"}, "remove": ["Z", "y", "z"]}
    operations = forwarding(headers={"request": request}).only(HeaderOperations)
    assert operations.request == Edits(("y", "z"), (("a", "2"), ("b", "1")))
