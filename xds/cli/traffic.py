"""What a mesh's control planes, or a Prometheus, know of its traffic: the graph, put together from all replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.where import Where
from xds.telemetry.ring import HOUR_S, STEP_S
from xds.telemetry.traffic import Traffic, put_together


@dataclass(frozen=True, slots=True)
class Within:
    """Of which traffic."""

    namespace: Annotated[
        str, typer.Option("-n", "--namespace", metavar="NS", help="Only what calls, or is called, in this namespace.")
    ] = ""
    window: Annotated[
        str, typer.Option("--window", metavar="DURATION", help="How far to look back: 10s to 1h, such as 60s or 5m.")
    ] = "60s"
    prometheus: Annotated[
        str,
        typer.Option(
            "--prometheus",
            metavar="URL",
            envvar="PLAIT_PROMETHEUS",
            help="Ask a Prometheus that scrapes the sidecars, for a window as long as its memory.",
        ),
    ] = ""


def source(where: Where, within: Within) -> Callable[[], Traffic]:
    """Who tells of the traffic that is asked for, again and again. Errors, here and there: Failure, Unreachable."""
    length = duration(within.window, "--window")
    if within.prometheus:
        from xds.cli.prometheus import history

        return lambda: history(within.prometheus, length, within.namespace)
    if not STEP_S <= length.total_seconds() <= HOUR_S:
        raise Failure(f"--window must be 10s to 1h, is {within.window!r}; --prometheus knows of longer ones")
    of = control_plane(where)
    return lambda: traffic(of, int(length.total_seconds()), within.namespace)


def traffic(of: ControlPlane, window_s: int, namespace: str) -> Traffic:
    """What all replicas know. Errors: Failure, Unreachable."""
    asked = {"window": f"{window_s}s", "durations": "true", **({"namespace": namespace} if namespace else {})}
    told = of.ask_each("/debug/telemetry/graph", **asked)
    for replica, answer in told.items():
        if not isinstance(answer, dict):
            raise Failure(f"what answers at {replica} is no control plane of plait: it has no /debug/telemetry/graph")
    return put_together(list(told.values()))
