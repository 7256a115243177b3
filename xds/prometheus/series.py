"""How calls went over hours and days: the golden signals of each step, as Prometheus has them.

Each call counts once, as in the last hour: as its caller's sidecar saw it, else as the called one's did, which is where
the caller proves nothing; unless some sidecar speaks plaintext to that workload, whose own word it then is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import inf
from typing import Any, Final

from xds.model.standard_metrics import Metric
from xds.prometheus.client import Prometheus, quoted
from xds.prometheus.client import Series as Found
from xds.prometheus.graph import accumulated
from xds.telemetry.histogram import BOUNDS
from xds.telemetry.reading import outcome_of
from xds.telemetry.signals import COUNTS, WIDTH, Count, Total

Json = dict[str, Any]

HOURS: Final[Mapping[str, int]] = {"6h": 6 * 3600, "24h": 24 * 3600, "7d": 7 * 24 * 3600}
"""The windows that are offered, in seconds."""

_POINTS: Final = 120
_MIN_STEP_S: Final = 60
_NOBODY: Final = '=~"|unknown"'
_PLAIN: Final = f'destination_principal{_NOBODY}, connection_security_policy!="mutual_tls", response_flags=~"|-"'
_WORKLOAD: Final = "destination_workload_namespace, destination_workload"

Add = Callable[[list[float], Mapping[str, str], float], None]


async def series(prometheus: Prometheus, window_s: int, service: str = "") -> Json:
    """``step_s`` and ``points``, as the page of the last hour has them; of one service by its host, else of all calls.

    Errors: Failure, Unreachable.
    """
    step_s = max(_MIN_STEP_S, window_s // _POINTS)
    last = int(time.time())
    queries = [_query(names, by, service, step_s) for names, by, _ in _ASKED]
    told = await prometheus.range(queries, last - window_s + step_s, last, step_s)
    return {"step_s": step_s, "points": await asyncio.to_thread(_points, told, step_s)}


def _query(names: Iterable[str], by: str, service: str, step_s: int) -> str:
    of = f", destination_service={quoted(service)}" if service else ""
    name, requests = (f'__name__=~"(envoy_)?({"|".join(each)})"{of}' for each in (names, [Metric.REQUEST_COUNT.value]))
    caller = f'increase({{{name}, reporter="source"}}[{step_s}s])'
    server = f'increase({{{name}, reporter="destination", source_principal{_NOBODY}}}[{step_s}s])'
    plain = f'increase({{{requests}, reporter="source", destination_workload!~"|unknown", {_PLAIN}}}[{step_s}s]) > 0'
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} ({caller} or ({server} unless on ({_WORKLOAD}) ({plain})))"


def _points(told: Sequence[Sequence[Found]], step_s: int) -> list[Json]:
    rows: dict[float, list[float]] = {}
    for (_, _, add), found in zip(_ASKED, told, strict=True):
        for labels, (at, text) in ((each.metric, value) for each in found for value in each.values):
            value = float(text)
            if 0 < value < inf:
                add(rows.setdefault(at, [0.0] * WIDTH), labels, value)
    if not rows:
        return []
    steps = range(round(min(rows)), round(max(rows)) + 1, step_s)  # between those nothing was called
    return [_point(at - step_s, rows.get(at, [0.0] * WIDTH), step_s) for at in steps]


def _point(at: float, row: list[float], step_s: int) -> Json:
    total = Total()
    total.add(accumulated(row))
    return {"at": datetime.fromtimestamp(at, UTC).isoformat(), **asdict(total.signals(step_s))}


def _requests(row: list[float], labels: Mapping[str, str], value: float) -> None:
    row[Count.REQUESTS] += value
    for beside in outcome_of(labels):
        row[beside] += value


def _bucket(row: list[float], labels: Mapping[str, str], value: float) -> None:
    bound = float(labels.get("le", "inf"))
    if bound == inf:
        row[-1] += value
    elif bound in BOUNDS:
        row[COUNTS + BOUNDS.index(bound)] += value


def _adding(count: Count) -> Add:
    def add(row: list[float], labels: Mapping[str, str], value: float) -> None:
        row[count] += value

    return add


_ASKED: Final[Sequence[tuple[Sequence[str], str, Add]]] = (
    ([Metric.REQUEST_COUNT.value], "response_code, response_flags, grpc_response_status, request_protocol", _requests),
    ([f"{Metric.REQUEST_DURATION.value}_bucket"], "le", _bucket),
    ([f"{Metric.REQUEST_DURATION.value}_sum"], "", _adding(Count.BUSY_MS)),
    ([f"{Metric.REQUEST_SIZE.value}_sum", Metric.TCP_RECEIVED_BYTES.value], "", _adding(Count.SENT)),
    ([f"{Metric.RESPONSE_SIZE.value}_sum", Metric.TCP_SENT_BYTES.value], "", _adding(Count.RECEIVED)),
    ([Metric.TCP_OPENED_CONNECTIONS.value], "", _adding(Count.OPENED)),
)
