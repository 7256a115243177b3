"""How an answer is to be: what a request's query parameters ask of the echo server. Pure, but for the failure count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)?")
_UNIT: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, None: 1.0}
# How many distinct keys of fail_first are remembered before the oldest are forgotten.
_KEYS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Shape:
    """An answer's shape.

    ``status``       the HTTP status (for gRPC the status code); ``delay`` before anything is sent.
    ``size``         the least number of bytes of the body; a ``filler`` makes up for what is missing.
    ``headers``      added to the answer, ``name:value``, comma between two.
    ``fail_first``   so many requests with the same key (``key``, else header x-request-key, else the path) fail with
                     ``fail_status`` before one succeeds.
    ``close``        end the connection with a reset instead of answering.
    ``chunks``       after the answer so many lines more, one each ``every``.
    """

    status: int = 200
    delay: timedelta = timedelta(0)
    size: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    fail_first: int = 0
    fail_status: int = 503
    key: str = ""
    close: bool = False
    chunks: int = 0
    every: timedelta = timedelta(milliseconds=100)


def duration(text: str) -> timedelta:
    """``200ms``, ``1.5s``, ``2m``; a bare number is seconds. ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration: must be like 200ms or 1.5s")
    return timedelta(seconds=float(match[1]) * _UNIT[match[2]])


def shape(asked: Mapping[str, str]) -> Shape:
    """The shape that parameters ask for; unknown ones are ignored. ValueError names a parameter that makes no sense."""
    plain = Shape()
    try:
        return Shape(
            status=int(asked.get("status", plain.status)),
            delay=duration(asked.get("delay", "0")),
            size=int(asked.get("size", 0)),
            headers=_headers(asked.get("headers", "")),
            fail_first=int(asked.get("fail_first", 0)),
            fail_status=int(asked.get("fail_status", plain.fail_status)),
            key=asked.get("key", ""),
            close=asked.get("close", "") not in {"", "0", "false"},
            chunks=int(asked.get("chunks", 0)),
            every=duration(asked.get("every", "100ms")),
        )
    except ValueError as error:
        raise ValueError(f"cannot shape an answer: {error}") from None


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)


@dataclass(slots=True)
class Failures:
    """How often each key was seen, so that the first few requests of a key can fail."""

    _seen: dict[str, int] = field(default_factory=dict)

    def next(self, key: str, first: int) -> tuple[int, bool]:
        """How many requests of this key there were, with this one, and whether this one must fail."""
        count = self._seen.pop(key, 0) + 1
        self._seen[key] = count
        if len(self._seen) > _KEYS:
            del self._seen[next(iter(self._seen))]
        return count, count <= first
