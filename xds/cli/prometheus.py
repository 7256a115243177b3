"""``--prometheus``: what a Prometheus knows of a mesh's traffic, for commands."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from xds.cli.failure import Failure
from xds.prometheus.client import Limits, Prometheus
from xds.prometheus.graph import graph
from xds.telemetry.traffic import Traffic

_LIMITS: Final = Limits(timeout_s=30.0, size_bytes=64 * 1024 * 1024, series=100_000)
_SHORTEST: Final = timedelta(minutes=1)


def history(url: str, window: timedelta, namespace: str) -> Traffic:
    """The graph of the window, as Prometheus at ``url`` has it. Errors: Failure, Unreachable."""
    if window < _SHORTEST:
        raise Failure("--window must be at least 1m where Prometheus is asked: it scrapes more seldom")
    return asyncio.run(graph(Prometheus(url, _LIMITS), int(window.total_seconds()), namespace))
