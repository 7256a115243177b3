"""The graph of a window as long as Prometheus keeps what it scrapes."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from typing import Any, Final

from xds.model.proxy import Proxy
from xds.model.standard_metrics import Metric
from xds.prometheus.client import Prometheus
from xds.prometheus.client import Series as Found
from xds.server.metric_messages import Series
from xds.telemetry.histogram import BOUNDS, BUCKETS
from xds.telemetry.nodes import UNKNOWN, Key, Node
from xds.telemetry.reading import Under, read
from xds.telemetry.signals import COUNTS, WIDTH, Count, Total
from xds.telemetry.traffic import Traffic

_ENDS: Final = (
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_version",
    "source_principal",
    "destination_workload",
    "destination_workload_namespace",
    "destination_version",
    "destination_principal",
    "destination_service",
    "destination_service_name",
    "request_protocol",
    "connection_security_policy",
)
_OUTCOME: Final = ("response_code", "grpc_response_status", "response_flags")
_LAST: Final = BOUNDS.index(1e4)
_BUCKET: Final = "_bucket"
_NAMES: Final[Mapping[Metric, Sequence[str]]] = {
    Metric.REQUEST_DURATION: ("_sum", _BUCKET),
    Metric.REQUEST_SIZE: ("_sum",),
    Metric.RESPONSE_SIZE: ("_sum",),
}
"""What the names of a metric end in of which series are asked for; others have none."""

_ASKED: Final = [(metric, f"{metric.value}{end}") for metric in Metric for end in _NAMES.get(metric, ("",))]
_NOBODY: Final = frozenset({"", "unknown"})


async def graph(prometheus: Prometheus, window_s: int, namespace: str) -> Traffic:
    """The graph of the window that ends now. Errors: Failure, Unreachable.

    Callers without a sidecar are those that prove nothing: who else has one, Prometheus does not know.
    """
    told = await prometheus.now(_query(name, window_s) for _, name in _ASKED)
    found = [(metric, each) for (metric, _), each in zip(_ASKED, told, strict=True)]
    return await asyncio.to_thread(_graph, found, window_s, namespace)


def _graph(told: Iterable[tuple[Metric, Sequence[Found]]], window_s: int, namespace: str) -> Traffic:
    rows: dict[Key, list[float]] = {}
    versions: dict[str, str] = {}
    for metric, each in told:
        for labels, value in _grown(each):
            under = _under(metric, labels, versions)
            if under is not None and (not namespace or under.key.of_namespace(namespace)):
                _count(rows.setdefault(under.key, [0.0] * WIDTH), under, labels, value)
    plain = {key.destination for key, row in rows.items() if row[Count.PLAIN] and key.source != UNKNOWN}
    found = {
        key: accumulated(row)
        for key, row in sorted(rows.items())
        if any(row) and not (key.source == UNKNOWN and key.destination in plain)
    }
    ids = sorted({node for key in found for node in key[:2]})
    return Traffic(
        window_s=window_s,
        at=datetime.now(UTC).isoformat(),
        nodes={name: {"id": name, **asdict(Node.of(name)), "version": versions.get(name, "")} for name in ids},
        edges=[_edge(key, row, window_s) for key, row in found.items()],
    )


def _query(name: str, seconds: int) -> str:
    """What asks for the series of that name that have grown within so many seconds, with by how much."""
    by = list(_ENDS)
    if name == Metric.REQUEST_COUNT.value:
        by += _OUTCOME
    if name.endswith(_BUCKET):
        by.append("le")
    selected = f'{{__name__=~"(envoy_)?{name}"}}[{seconds}s]'
    return f"sum by ({', '.join(by)}) (increase({selected}))"


def _grown(told: Sequence[Found]) -> Iterator[tuple[Mapping[str, str], float]]:
    for each in told:
        number = float(each.value[1]) if each.value is not None else 0.0
        if 0 < number < inf:
            yield each.metric, number


def _under(metric: Metric, labels: Mapping[str, str], versions: dict[str, str]) -> Under | None:
    """What a series is counted under; None for what its caller's proxy counts too."""
    reporter = labels.get("reporter", "")
    if reporter == "destination" and labels.get("source_principal", "") not in _NOBODY:
        return None
    own = Proxy("", namespace=labels.get(f"{reporter}_workload_namespace", ""))
    found = read(own, Series(metric.value, labels))
    if found is None:
        return None
    versions.update(found.versions)
    return found.under


def _count(row: list[float], under: Under, labels: Mapping[str, str], value: float) -> None:
    if under.what is None:
        _count_durations(row, labels.get("le"), value)
        return
    for count in (under.what, under.security, *under.outcome):
        if count is not None:
            row[count] += value


def _count_durations(row: list[float], bound: str | None, value: float) -> None:
    """Count how long they took in all, or how many took no longer than the bound."""
    if bound is None:
        row[Count.BUSY_MS] += value
    elif float(bound) in (*BOUNDS, inf):  # others lie between ours, which say the same less finely
        row[COUNTS + bisect_left(BOUNDS, float(bound))] += value


def accumulated(row: list[float]) -> list[float]:
    """The row with how many are in each bucket, where Prometheus has how many are below each bound."""
    below, every = row[COUNTS:-1], row[-1]
    last = max((number for number, count in enumerate(below) if count), default=0)
    # Above sidecars' last bound, 10 s, nothing is known but that: the next bucket.
    below[max(last, _LAST) + 1 :] = [every] * (BUCKETS - 1 - max(last, _LAST) - 1)
    for number in range(1, len(below)):
        below[number] = max(below[number], below[number - 1])
    return [*row[:COUNTS], below[0], *(after - before for before, after in pairwise([*below, every]))]


def _edge(key: Key, row: list[float], seconds: int) -> dict[str, Any]:
    total = Total()
    total.add(row)
    signals = asdict(total.signals(seconds))
    return {**key._asdict(), "security": total.security, "signals": signals, "durations": list(total.durations)}
