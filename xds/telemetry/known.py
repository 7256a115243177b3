"""What is known of the last hour, as people ask for it: the graph, the services, how one of them went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xds.slices import Slices, taken
from xds.telemetry.last_hour import LastHour
from xds.telemetry.nodes import UNKNOWN, Key, Node
from xds.telemetry.signals import Signals, Total

_SLICE: Final = 50  # edges or services, at 30 us each


@dataclass(frozen=True, slots=True)
class ToldEdge:
    """An edge of the graph, and its signals in the window; ``durations`` are how many fell into which bucket."""

    key: Key
    security: str
    signals: Signals
    durations: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ToldService:
    """A service, the signals of all its calls together, and the ids of who calls and of who answers."""

    host: str
    namespace: str
    signals: Signals
    callers: tuple[str, ...]
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which edges are wanted: of a service, into (or out of) a workload by its id, of a namespace; empty means all.

    ``plain`` are the ids of workloads to which proxies speak plaintext that tell others of it: none is unknown then.
    """

    service: str = ""
    workload: str = ""
    outgoing: bool = False
    namespace: str = ""
    plain: frozenset[str] = frozenset()

    def has(self, key: Key) -> bool:
        """Whether that is one of them."""
        end = key.source if self.outgoing else key.destination
        return (
            (not self.service or key.service == self.service)
            and (not self.workload or end == self.workload)
            and (not self.namespace or key.of_namespace(self.namespace))
            and not (key.source == UNKNOWN and key.destination in self.plain)
        )


class Known:
    """What is known of the last hour. ``clock`` tells seconds since 1970. Answers come in slices.

    ``versions`` are those of workloads, by the nodes' ids, ``namespaces`` those of services, by host; ``plain`` is when
    a proxy of the mesh last spoke plaintext to a workload.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.hour = LastHour(clock())
        self.versions: dict[str, str] = {}
        self.namespaces: dict[str, str] = {}
        self.plain: dict[str, float] = {}
        self.messages = 0
        """Messages of proxies."""
        self.series_dropped = 0
        """Series in them beyond what is read of one."""

    def now(self) -> float:
        """The time that answers are of."""
        return self._clock()

    def node(self, node_id: str) -> tuple[Node, str]:
        """The node of that id, and its version."""
        return Node.of(node_id), self.versions.get(node_id, "")

    def graph(self, window_s: float, wanted: Wanted) -> Slices[list[ToldEdge]]:
        """The edges of which something was counted within the window, in order."""
        span = self.hour.span(self._clock(), window_s)
        covered = self.hour.covered_s(span)
        found = list[ToldEdge]()
        for number, (key, total) in enumerate(taken((yield from self._totals(window_s, wanted)))):
            if number % _SLICE == 0:
                yield
            found.append(ToldEdge(key, total.security, total.signals(covered), total.durations))
        return found

    def services(self, window_s: float, wanted: Wanted) -> Slices[list[ToldService]]:
        """The services that were called within the window, by host."""
        covered = self.hour.covered_s(self.hour.span(self._clock(), window_s))
        totals: dict[str, Total] = {}
        callers: dict[str, set[str]] = {}
        workloads: dict[str, set[str]] = {}
        for number, (key, total) in enumerate(taken((yield from self._totals(window_s, wanted)))):
            if number % _SLICE == 0:
                yield
            if key.service:
                totals.setdefault(key.service, Total()).merge(total)
                callers.setdefault(key.service, set()).add(key.source)
                workloads.setdefault(key.service, set()).add(key.destination)
        found = list[ToldService]()
        for number, host in enumerate(sorted(totals)):
            if number % _SLICE == 0:
                yield
            behind = sorted(each for each in workloads[host] if Node.of(each).kind == "workload")
            signals, calling = totals[host].signals(covered), sorted(callers[host])
            found.append(ToldService(host, self.namespaces.get(host, ""), signals, tuple(calling), tuple(behind)))
        return found

    def steps(self, window_s: float, wanted: Wanted) -> Slices[tuple[int, list[tuple[float, Total]]]]:
        """How long the steps are, and when each that is over began, with what was counted of the edges together."""
        span = self.hour.span(self._clock(), window_s)
        keys = [key for key in self.hour.all() if wanted.has(key) and not self._taken_for_ours(key)]
        return span.step_s, (yield from self.hour.steps(span, keys))

    def _totals(self, window_s: float, wanted: Wanted) -> Slices[list[tuple[Key, Total]]]:
        span = self.hour.span(self._clock(), window_s)
        return (yield from self.hour.totals(span, lambda key: wanted.has(key) and not self._taken_for_ours(key)))

    def _taken_for_ours(self, key: Key) -> bool:
        return key.source == UNKNOWN and key.destination in self.plain
