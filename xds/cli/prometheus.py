"""What Prometheus knows of a mesh's traffic: the same graph, of a window as long as it keeps what it scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf
from typing import Any, Final

from xds.cli.failure import Failure, Unreachable
from xds.cli.traffic import Json, Traffic
from xds.model.proxy import Proxy
from xds.model.standard_metrics import Metric
from xds.server.metric_messages import Series
from xds.telemetry.histogram import BOUNDS, BUCKETS
from xds.telemetry.nodes import UNKNOWN, Key, Node
from xds.telemetry.reading import Under, read
from xds.telemetry.signals import COUNTS, WIDTH, Count, Total

_TIMEOUT_S: Final = 30.0
_SHORTEST: Final = timedelta(minutes=1)
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
_SUMS: Final = frozenset({Metric.REQUEST_SIZE, Metric.RESPONSE_SIZE})
_NOBODY: Final = frozenset({"", "unknown"})


def history(url: str, window: timedelta, namespace: str) -> Traffic:
    """The graph of the window, as Prometheus at ``url`` has it. Errors: Failure, Unreachable.

    Callers without a sidecar are those that prove nothing: who else has one, Prometheus does not know.
    """
    if window < _SHORTEST:
        raise Failure("--window must be at least 1m where Prometheus is asked: it scrapes more seldom")
    seconds = int(window.total_seconds())
    rows: dict[Key, list[float]] = {}
    versions: dict[str, str] = {}
    for metric in Metric:
        for labels, value in _asked(url, metric, seconds):
            under = _under(metric, labels, versions)
            if under is not None and (not namespace or under.key.of_namespace(namespace)):
                _count(rows.setdefault(under.key, [0.0] * WIDTH), under, labels, value)
    plain = {key.destination for key, row in rows.items() if row[Count.PLAIN] and key.source != UNKNOWN}
    found = {
        key: _accumulated(row)
        for key, row in sorted(rows.items())
        if any(row) and not (key.source == UNKNOWN and key.destination in plain)
    }
    ids = sorted({node for key in found for node in key[:2]})
    return Traffic(
        window_s=seconds,
        at=datetime.now(UTC).isoformat(),
        nodes={name: {"id": name, **asdict(Node.of(name)), "version": versions.get(name, "")} for name in ids},
        edges=[_edge(key, row, seconds) for key, row in found.items()],
    )


def _asked(url: str, metric: Metric, seconds: int) -> Iterator[tuple[Mapping[str, str], float]]:
    """The series that have grown within so many seconds, with by how much."""
    by, name = list(_ENDS), metric.value
    if metric is Metric.REQUEST_COUNT:
        by += _OUTCOME
    if metric is Metric.REQUEST_DURATION:
        by, name = [*by, "le"], f"{name}_bucket"
    if metric in _SUMS:
        name = f"{name}_sum"
    selected = f'{{__name__=~"(envoy_)?{name}"}}[{seconds}s]'
    for each in _answer(url, f"sum by ({', '.join(by)}) (increase({selected}))"):
        labels, (_, value) = each["metric"], each["value"]
        number = float(value)
        if 0 < number < inf:
            yield labels, number


def _answer(url: str, query: str) -> list[Json]:
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/query", params={"query": query}, timeout=_TIMEOUT_S)
        told = answer.json()
    except (httpx.TransportError, OSError) as error:
        raise Unreachable(f"no Prometheus answers at {url} ({error})") from None
    except (httpx.InvalidURL, ValueError):
        raise Failure(f"what is at {url} is no Prometheus: no JSON at /api/v1/query") from None
    if not isinstance(told, dict) or told.get("status") != "success":
        reason = told.get("error", answer.status_code) if isinstance(told, dict) else answer.status_code
        raise Failure(f"Prometheus at {url} does not answer: {reason}")
    found: list[Json] = told["data"]["result"]
    return found


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
        bound = float(labels.get("le", "inf"))
        if bound in BOUNDS or bound == inf:  # others lie between ours, which say the same less finely
            row[COUNTS + bisect_left(BOUNDS, bound)] += value
        return
    for count in (under.what, under.error, under.security):
        if count is not None:
            row[count] += value


def _accumulated(row: list[float]) -> list[float]:
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
