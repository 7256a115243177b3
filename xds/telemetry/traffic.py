"""The traffic of a window as a graph, put together from what several tell; and sums of its edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, TypeVar

from xds.telemetry.nodes import UNKNOWN
from xds.telemetry.signals import MEANS, QUANTILES, quantiles

Json = Mapping[str, Any]
K = TypeVar("K", str, tuple[str, str])

_SECURITY: Final = ("none", "mutual_tls", "unknown")  # of several, the first that there is


@dataclass(frozen=True, slots=True)
class Traffic:
    """The graph of a window: nodes by their ids, and edges as the page has them, with ``durations``."""

    window_s: int
    at: str
    nodes: Mapping[str, Json]
    edges: Sequence[Json]

    def plain(self) -> Json:
        """As the page of the graph has it: edges without ``durations``."""
        edges = [{key: value for key, value in edge.items() if key != "durations"} for edge in self.edges]
        return {"window_s": self.window_s, "at": self.at, "nodes": list(self.nodes.values()), "edges": edges}


def put_together(told: Sequence[Json]) -> Traffic:
    """What replicas tell, of which each knows its own proxies, as one graph."""
    nodes: dict[str, Json] = {}
    same: dict[tuple[str, ...], list[Json]] = {}
    for each in told:
        for node in each["nodes"]:
            if node["version"] or node["id"] not in nodes:
                nodes[node["id"]] = node
        for edge in each["edges"]:
            key = (edge["source"], edge["destination"], edge["service"], edge["protocol"])
            same.setdefault(key, []).append(edge)
    edges = _known_once([{**edges[0], **summed(edges)} for _, edges in sorted(same.items())])
    return Traffic(told[0]["window_s"], max(each["at"] for each in told), dict(sorted(nodes.items())), edges)


def _known_once(edges: Sequence[Json]) -> Sequence[Json]:
    """Without unknown callers of whom somebody speaks plaintext to: that one's proxy, of another replica, tells it."""
    plain = {edge["destination"] for edge in edges if edge["security"] == "none" and edge["source"] != UNKNOWN}
    return [edge for edge in edges if not (edge["source"] == UNKNOWN and edge["destination"] in plain)]


def summed(edges: Sequence[Json]) -> Json:
    """``security``, ``signals`` and ``durations`` of edges together."""
    durations = added([edge["durations"] for edge in edges])
    signals = summed_signals([edge["signals"] for edge in edges], durations)
    security = min((edge["security"] for edge in edges), key=_SECURITY.index)
    return {"security": security, "signals": signals, "durations": durations}


def summed_signals(each: Sequence[Json], durations: Sequence[float]) -> Json:
    """Signals of the same time together; ``durations`` are those of all, of which the quantiles are."""
    signals: dict[str, Any] = {
        name: sum(one[name] for one in each) for name in each[0] if name not in QUANTILES and name != "error_share"
    }
    signals["error_share"] = signals["errors_5xx"] / signals["requests"] if signals["requests"] else 0.0
    means = {name: round(signals[name], digits) for name, digits in MEANS.items()}
    return signals | means | quantiles(durations)


def added(columns: Sequence[Sequence[float]]) -> list[float]:
    """The sums, place by place; what a shorter one lacks is 0."""
    return [sum(column) for column in zip_longest(*columns, fillvalue=0.0)]


def grouped_by(edges: Iterable[Json], key: Callable[[Json], K]) -> dict[K, Json]:
    """The same of each group of edges, by its key, in order; an empty key, or one of which all is, is no group."""
    groups: dict[K, list[Json]] = {}
    for edge in edges:
        name = key(edge)
        if any(name):
            groups.setdefault(name, []).append(edge)
    return {name: summed(groups[name]) for name in sorted(groups)}
