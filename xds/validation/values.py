"""The rules of one value, as protoc-gen-validate names them, made into a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Rules = Mapping[str, Any]
Test = Callable[[Any], str | None]
"""What a value must be where it is not that; None where it is fine."""

# The expressions behind PGV's well_known_regex (protoc-gen-validate, validate.proto), strict and not.
_NAME: Final = re.compile(r"\A:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+\Z")
_TEXT: Final = re.compile(r"\A[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_LAX: Final = re.compile(r"\A[^\x00\x0a\x0d]*\Z")
_SHOWN: Final = 8


def test_of(kind: str, rules: Rules, known: frozenset[int]) -> Test | None:
    """The test of a value under the rules of one kind (``string``, ``uint32`` ...); None where there is none to make.

    ``known`` are the numbers of an enum's values. Of durations the value is in seconds.
    """
    makers = _TEXTS if kind in ("string", "bytes") else _NUMBERS
    tests = [made for name, wanted in rules.items() if name in makers and (made := makers[name](wanted)) is not None]
    if kind == "string" and "well_known_regex" in rules:
        tests.append(_well_known(rules["well_known_regex"], strict=rules.get("strict", True)))
    if rules.get("defined_only"):
        tests.append(lambda value: None if value in known else "must be a value that Envoy knows")
    return _joined(tests, ignore_empty=bool(rules.get("ignore_empty")))


def _joined(tests: list[Test], *, ignore_empty: bool) -> Test | None:
    if not tests:
        return None
    if len(tests) == 1 and not ignore_empty:
        return tests[0]

    def every(value: Any) -> str | None:
        if ignore_empty and not value:
            return None
        for each in tests:
            said = each(value)
            if said is not None:
                return said
        return None

    return every


def _test(holds: Callable[[Any], bool], text: str) -> Test:
    return lambda value: None if holds(value) else text


def _well_known(name: str, *, strict: bool) -> Test:
    if not strict:
        return _test(lambda value: _LAX.match(value) is not None, "must not have line breaks or null characters")
    if name == "HTTP_HEADER_NAME":
        return _test(lambda value: _NAME.match(value) is not None, "must be the name of an HTTP header")
    return _test(lambda value: _TEXT.match(value) is not None, "must be a value that an HTTP header can have")


def _pattern(text: str) -> Test:
    found = re.compile(text)
    return _test(lambda value: found.search(value) is not None, f"must match {text}")


def _one_of(values: list[Any]) -> Test:
    allowed = frozenset(values)
    shown = ", ".join(map(str, values[:_SHOWN])) + (" ..." if len(values) > _SHOWN else "")
    return _test(lambda value: value in allowed, f"must be one of {shown}")


def _none_of(values: list[Any]) -> Test | None:
    forbidden = frozenset(value for value in values if not isinstance(value, str))
    return _test(lambda value: value not in forbidden, "must be another one") if forbidden else None


_TEXTS: Final[Mapping[str, Callable[[Any], Test | None]]] = {
    "min_len": lambda n: _test(lambda v: len(v) >= n, f"must have at least {n} characters"),
    "max_len": lambda n: _test(lambda v: len(v) <= n, f"must have at most {n} characters"),
    "min_bytes": lambda n: _test(lambda v: len(v.encode()) >= n, f"must have at least {n} bytes"),
    "max_bytes": lambda n: _test(lambda v: len(v.encode()) <= n, f"must have at most {n} bytes"),
    "prefix": lambda text: _test(lambda v: v.startswith(text), f"must begin with {text}"),
    "suffix": lambda text: _test(lambda v: v.endswith(text), f"must end with {text}"),
    "pattern": _pattern,
    "in": _one_of,
    "not_in": _none_of,
    "const": lambda c: _test(lambda v: v == c, f"must be {c}"),
}
_NUMBERS: Final[Mapping[str, Callable[[Any], Test | None]]] = {
    "const": lambda c: _test(lambda v: v == c, f"must be {str(c).lower()}"),
    "lt": lambda n: _test(lambda v: v < n, f"must be less than {n}"),
    "lte": lambda n: _test(lambda v: v <= n, f"must be at most {n}"),
    "gt": lambda n: _test(lambda v: v > n, f"must be more than {n}"),
    "gte": lambda n: _test(lambda v: v >= n, f"must be at least {n}"),
    "in": _one_of,
    "not_in": _none_of,
}
