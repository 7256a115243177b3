"""What a mesh's control planes know of its traffic: the graph, put together from all replicas, and sums of edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any, Final

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.where import Where
from xds.telemetry.ring import HOUR_S, STEP_S
from xds.telemetry.signals import QUANTILES, quantiles

Json = Mapping[str, Any]

_SECURITY: Final = ("none", "mutual_tls", "unknown")  # of several, the first that there is


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


@dataclass(frozen=True, slots=True)
class Traffic:
    """The graph of a window: nodes by their ids, and edges as the page has them, with ``durations``."""

    window_s: int
    at: str
    nodes: Mapping[str, Json]
    edges: Sequence[Json]


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
    edges = [{**edges[0], **summed(edges)} for _, edges in sorted(same.items())]
    return Traffic(told[0]["window_s"], max(each["at"] for each in told), dict(sorted(nodes.items())), edges)


def summed(edges: Sequence[Json]) -> Json:
    """``security``, ``signals`` and ``durations`` of edges together."""
    durations = [sum(column) for column in zip_longest(*(edge["durations"] for edge in edges), fillvalue=0.0)]
    signals: dict[str, Any] = {
        name: sum(edge["signals"][name] for edge in edges)
        for name in edges[0]["signals"]
        if name not in QUANTILES and name != "error_share"
    }
    signals["error_share"] = signals["errors_5xx"] / signals["requests"] if signals["requests"] else 0.0
    signals["rate"] = round(signals["rate"], 3)
    signals |= quantiles(durations)
    security = min((edge["security"] for edge in edges), key=_SECURITY.index)
    return {"security": security, "signals": signals, "durations": durations}


def grouped_by(edges: Iterable[Json], key: Callable[[Json], str]) -> dict[str, Json]:
    """The same of each group of edges, by its key, in order; an empty key is no group."""
    groups: dict[str, list[Json]] = {}
    for edge in edges:
        if name := key(edge):
            groups.setdefault(name, []).append(edge)
    return {name: summed(groups[name]) for name in sorted(groups)}
