"""Golden signals: what is counted of an edge in a stretch of time, and what people are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import add
from typing import Final

from xds.telemetry.histogram import BUCKETS, quantile


class Count(IntEnum):
    """What is counted, by its place in a row; behind these come the buckets of durations.

    Bytes are those of bodies, SENT by the caller and RECEIVED by it; MUTUAL and PLAIN are the requests, or connections
    of TCP, of which it is known that they were (not) encrypted with certificates of both sides. BUSY_MS is how long
    requests took, added up; OVERLOADED are those that were turned away for want of room.
    """

    REQUESTS = 0
    ERRORS_4XX = 1
    ERRORS_5XX = 2
    SENT = 3
    RECEIVED = 4
    OPENED = 5
    CLOSED = 6
    MUTUAL = 7
    PLAIN = 8
    BUSY_MS = 9
    OVERLOADED = 10


COUNTS: Final = len(Count)
WIDTH: Final = COUNTS + BUCKETS
"""Numbers in a row; a row of TCP has no buckets."""

QUANTILES: Final = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
"""The signals that are quantiles of durations, and below which duration how large a share lies."""

MEANS: Final = {"rate": 3, "in_flight": 6}
"""The signals that are means over the window, and how many decimals are told; others that add up are counts."""

Row = Sequence[float]


@dataclass(frozen=True, slots=True)
class Signals:
    """What people are told; the names are those of the pages. Durations are None where none are known."""

    requests: int
    rate: float
    errors_4xx: int
    errors_5xx: int
    error_share: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    bytes_sent: int
    bytes_received: int
    connections_opened: int
    connections_open: int
    in_flight: float
    """Requests at work at once, on average, by what those that are over took; and connections of TCP that are open."""
    overloaded: int


class Total:
    """Rows, added up. ``late`` are the requests of the step that is not over, which would bend rates; ``late_ms`` is
    what they took.
    """

    __slots__ = ("late", "late_ms", "open", "row")

    def __init__(self) -> None:
        self.row: list[float] = [0.0] * WIDTH
        self.late = 0.0
        self.late_ms = 0.0
        self.open = 0

    def add(self, row: Row) -> None:
        """Add a row."""
        if len(row) == WIDTH:
            self.row = list(map(add, self.row, row))
        else:
            self.row[: len(row)] = map(add, self.row, row)

    def merge(self, other: Total) -> None:
        """Add another total."""
        self.add(other.row)
        self.late += other.late
        self.late_ms += other.late_ms
        self.open += other.open

    @property
    def security(self) -> str:
        """``none`` where anything was seen in plaintext, ``mutual_tls`` where all that is known of was not."""
        if self.row[Count.PLAIN]:
            return "none"
        return "mutual_tls" if self.row[Count.MUTUAL] else "unknown"

    @property
    def durations(self) -> tuple[float, ...]:
        """How many fell into which bucket; nothing where none are known."""
        found = tuple(self.row[COUNTS:])
        return found if any(found) else ()

    def signals(self, covered_s: float) -> Signals:
        """What people are told. ``covered_s``: how long the steps are that are over."""
        row = self.row
        requests, each_s = row[Count.REQUESTS], 1 / covered_s if covered_s > 0 else 0.0
        busy_s = (row[Count.BUSY_MS] - self.late_ms) / 1000
        return Signals(
            requests=round(requests),
            rate=round((requests - self.late) * each_s, MEANS["rate"]),
            errors_4xx=round(row[Count.ERRORS_4XX]),
            errors_5xx=round(row[Count.ERRORS_5XX]),
            error_share=round(row[Count.ERRORS_5XX] / requests, 6) if requests else 0.0,
            **quantiles(row[COUNTS:]),
            bytes_sent=round(row[Count.SENT]),
            bytes_received=round(row[Count.RECEIVED]),
            connections_opened=round(row[Count.OPENED]),
            connections_open=self.open,
            in_flight=round(busy_s * each_s + self.open, MEANS["in_flight"]),  # Little's law
            overloaded=round(row[Count.OVERLOADED]),
        )


def quantiles(buckets: Row) -> dict[str, float | None]:
    """``p50_ms``, ``p95_ms`` and ``p99_ms`` of durations, to hundredths; None where there are none."""
    found = {name: quantile(buckets, share) for name, share in QUANTILES.items()}
    return {name: None if each is None else round(each, 2) for name, each in found.items()}
