"""Regular expressions as Envoy takes them."""

from __future__ import annotations

import pytest

from xds.translators.regex import groups, refusal


@pytest.mark.parametrize("pattern", ["a", "/[0-9]+(/.*)?", "(?i)a", "a{900}", r"\pL+"])
def test_taken(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert refusal(pattern) == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "it is empty"),
        ("[", "missing ]: ["),
        ("(?=a)", "invalid perl operator: (?="),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("a{1001}", "invalid repetition size: {1001}"),
        (r"[\pL\pN]{400}", "more than 32768"),
    ],
)
def test_refused(pattern: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert why in refusal(pattern)
    assert capfd.readouterr() == ("", "")


def test_groups() -> None:
    assert [groups(pattern) for pattern in ("a", "(a)(?:b)(?P<c>d)", "(")] == [0, 2, 0]
