"""The last hour: what was counted of each edge, by steps of ten seconds for five minutes, of a minute for the rest.

Memory is bounded: an edge of HTTP that is busy all the hour takes 10 KB, one of TCP 4 KB, an idle one 1 KB; there are
at most ``MAX_EDGES``. So 1000 sidecars with 20 edges each, no two of one workload, take 200 MB; a mesh of 200 workloads
with as many edges 40 MB.

Nothing here knows a clock: times are seconds since 1970.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xds.slices import Slices
from xds.telemetry.nodes import OTHERS, UNKNOWN, Key
from xds.telemetry.ring import COARSE_S, FINE_S, HOUR_S, STEP_S, Edge
from xds.telemetry.signals import COUNTS, WIDTH, Total

MAX_EDGES: Final = 20_000
MAX_OF_NAMESPACE: Final = 5_000
"""Edges that the proxies of one namespace may make; what comes after shares one, so that counts stay whole."""

_SLICE: Final = 20  # edges, with 60 rows each: 2 ms


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in steps of ten seconds: from ``since`` to ``now``, which is not over; 5 minutes are fine."""

    since: int
    now: int
    fine: bool

    @property
    def step_s(self) -> int:
        """How long its steps are."""
        return STEP_S if self.fine else COARSE_S


class LastHour:
    """What was counted of edges since ``started``."""

    def __init__(self, started: float) -> None:
        self._first = int(started) // STEP_S
        self._edges: dict[Key, Edge] = {}
        self._sorted: list[Key] = []
        self._of: dict[str, int] = {}  # namespace -> edges that its proxies have made
        self._makers: dict[Key, str] = {}
        self.folded = 0
        """How often something was counted under an edge that stands for others."""

    def __len__(self) -> int:
        return len(self._edges)

    def __contains__(self, key: Key) -> bool:
        return key in self._edges

    def row(self, key: Key, reporter: str, now: float) -> list[float]:
        """The row of this moment of an edge, to be added to. ``reporter`` is the namespace of the proxy that tells."""
        return self._edge(key, reporter, int(now) // STEP_S).row(int(now) // STEP_S)

    def opened(self, key: Key, more: int) -> None:
        """So many more connections of an edge are open (fewer: below 0)."""
        edge = self._edges.get(key)
        if edge is not None:
            edge.open += more

    def tidy(self, now: float) -> None:
        """Forget edges of which nothing was told for an hour."""
        oldest, before = (int(now) - HOUR_S) // STEP_S, len(self._edges)
        for key in [key for key, edge in self._edges.items() if edge.step < oldest and not edge.open]:
            del self._edges[key]
            maker = self._makers.pop(key)
            self._of[maker] -= 1
            if not self._of[maker]:
                del self._of[maker]
        if len(self._edges) < before:
            self._sorted = [key for key in self._sorted if key in self._edges]

    def span(self, now: float, window_s: float) -> Span:
        """The stretch that ends now and is so long: 10 seconds to an hour, rounded up to whole steps."""
        step = int(now) // STEP_S
        length = -int(-max(float(STEP_S), min(window_s, float(HOUR_S))) // STEP_S)
        since = step - length
        if length * STEP_S <= FINE_S or step - self._first < FINE_S // STEP_S:
            return Span(since, step, fine=True)
        return Span(since - since % (COARSE_S // STEP_S), step, fine=False)

    def covered_s(self, span: Span) -> float:
        """How long those of its steps are that are over and since which something could be counted; at least one."""
        return float(max(1, span.now - max(span.since, self._first)) * STEP_S)

    def totals(self, span: Span, wanted: Callable[[Key], bool]) -> Slices[list[tuple[Key, Total]]]:
        """What was counted of each wanted edge in that stretch, those of which something was; in order."""
        found = list[tuple[Key, Total]]()
        for number, key in enumerate(self.all()):
            if number % _SLICE == 0:
                yield
            edge = self._edges.get(key)
            if edge is not None and (edge.step >= span.since or edge.open) and wanted(key):
                total = edge.total(span.since, span.now, fine=span.fine)
                if total.open or any(total.row):
                    found.append((key, total))
        return found

    def steps(self, span: Span, keys: Iterable[Key]) -> Slices[list[tuple[float, Total]]]:
        """What was counted of these edges together in each step that is over, and when it began."""
        size = span.step_s // STEP_S
        first = max(span.since, self._first) // size * size
        totals = {
            step: Total() for step in range(first, max(first, span.now - size) + 1, size) if step + size <= span.now
        }
        for number, key in enumerate(keys):
            if number % _SLICE == 0:
                yield
            for step, row in self._steps(key, span):
                if step in totals:
                    totals[step].add(row)
        yield
        return [(float(step * STEP_S), total) for step, total in totals.items()]

    def all(self) -> Sequence[Key]:
        """All edges, in order."""
        return self._sorted.copy()

    def _steps(self, key: Key, span: Span) -> Iterator[tuple[int, Sequence[float]]]:
        edge = self._edges.get(key)
        return edge.steps(span.since, fine=span.fine) if edge is not None else iter(())

    def _edge(self, key: Key, reporter: str, step: int) -> Edge:
        found = self._edges.get(key)
        if found is not None:
            return found
        if len(self._edges) >= MAX_EDGES or self._of.get(reporter, 0) >= MAX_OF_NAMESPACE:
            self.folded += 1
            key, reporter = Key(f"{UNKNOWN}:{OTHERS}", f"{UNKNOWN}:{OTHERS}", "", key.protocol), ""
            if key in self._edges:
                return self._edges[key]
        self._of[reporter] = self._of.get(reporter, 0) + 1
        self._makers[key] = reporter
        insort(self._sorted, key)
        made = self._edges[key] = Edge(COUNTS if key.protocol == "tcp" else WIDTH, step)
        return made
