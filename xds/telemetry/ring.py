"""Rows by step of time, the newest so many; and an edge's two rings of them, of fine steps and of coarse ones."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from xds.telemetry.signals import Count, Total

STEP_S: Final = 10
COARSE_S: Final = 60
FINE_S: Final = 300
HOUR_S: Final = 3600
_FINE_STEPS: Final = FINE_S // STEP_S
_IN_COARSE: Final = COARSE_S // STEP_S


class Ring:
    """The newest ``limit`` rows that something was counted in, of ``width`` numbers each: 4 bytes a number."""

    __slots__ = ("_limit", "_rows", "_steps", "_width")

    def __init__(self, width: int, limit: int) -> None:
        self._width, self._limit = width, limit
        self._steps = array("I")
        self._rows = array("f")

    def add(self, step: int, row: Sequence[float]) -> None:
        """Add a row to its step, which is the newest, or newer."""
        if self._steps and self._steps[-1] >= step:
            at = len(self._rows) - self._width
            for number, value in enumerate(row):
                if value:
                    self._rows[at + number] += value
            return
        self._steps.append(step)
        self._rows.extend(row)
        gone = bisect_right(self._steps, step - self._limit)
        del self._steps[:gone], self._rows[: gone * self._width]

    def since(self, step: int) -> Iterator[tuple[int, Sequence[float]]]:
        """Steps from that one on, the newest first, with their rows."""
        for number in range(len(self._steps) - 1, -1, -1):
            if self._steps[number] < step:
                return
            yield self._steps[number], self._rows[number * self._width : (number + 1) * self._width]


class Edge:
    """What is known of the calls of one edge. Steps are numbered from the beginning of time, as 32 bits hold them."""

    __slots__ = ("_coarse", "_fine", "_row", "open", "step")

    def __init__(self, width: int, step: int) -> None:
        self._fine = Ring(width, _FINE_STEPS + 2)
        self._coarse = Ring(width, HOUR_S // COARSE_S + 2)
        self._row = [0.0] * width
        self.step = step
        self.open = 0

    def row(self, step: int) -> list[float]:
        """The row of that step, to be added to. A clock that went back counts as one that stood still."""
        if step > self.step:
            if any(self._row):
                self._fine.add(self.step, self._row)
                self._coarse.add(self.step // _IN_COARSE, self._row)
                self._row = [0.0] * len(self._row)
            self.step = step
        return self._row

    def total(self, since: int, now: int, *, fine: bool) -> Total:
        """What was counted from step ``since`` on; of coarse steps, from the beginning of the one that it is in."""
        total = Total()
        ring, first = (self._fine, since) if fine else (self._coarse, since // _IN_COARSE)
        for _, row in ring.since(first):
            total.add(row)
        if self.step >= since:
            total.add(self._row)
        if self.step >= now:
            total.late, total.late_ms = self._row[Count.REQUESTS], self._row[Count.BUSY_MS]
        total.open = self.open
        return total

    def steps(self, since: int, *, fine: bool) -> Iterator[tuple[int, Sequence[float]]]:
        """Each step from ``since`` on with its row, in no order, a coarse one by the number of its first fine one."""
        ring, size = (self._fine, 1) if fine else (self._coarse, _IN_COARSE)
        if self.step >= since:
            yield self.step // size * size, self._row
        for number, row in ring.since(since // size):
            yield number * size, row
