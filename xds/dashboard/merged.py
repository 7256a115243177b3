"""What several replicas tell, each of its own proxies, as one answer: pages of the dashboard by their addresses.

Counts add up exactly, as every proxy reports to one replica; quantiles are made anew of the buckets of all. What every
replica knows of the mesh's objects is the same, and the first that answers tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from xds.telemetry.nodes import UNKNOWN
from xds.telemetry.signals import MEANS, QUANTILES
from xds.telemetry.traffic import added, grouped_by, put_together, summed_signals

Json = dict[str, Any]

_SAME_CHANGE_S: Final = 30.0
_WORST: Final = ("REJECTED", "STALE", "SYNCED")


def _graph(told: Sequence[Json], asked: int) -> Any:
    return put_together(told).plain()


def spoken_plain(told: Sequence[Json], service: str) -> list[str]:
    """The workloads behind a service (``""``: all) to which proxies are known to speak plaintext, in order."""
    edges = [edge for each in told for edge in each["edges"] if not service or edge["service"] == service]
    return sorted({edge["destination"] for edge in edges if edge["security"] == "none" and edge["source"] != UNKNOWN})


def _services(told: Sequence[Json], asked: int) -> Any:
    """The services that were called, made of the graph; what it knows of them not is from the pages of services."""
    graph = put_together(told)
    callers: dict[str, set[str]] = {}
    workloads: dict[str, set[str]] = {}
    for edge in graph.edges:
        callers.setdefault(edge["service"], set()).add(edge["source"])
        if graph.nodes[edge["destination"]]["kind"] == "workload":
            workloads.setdefault(edge["service"], set()).add(edge["destination"])
    return [
        {
            "host": host,
            "namespace": _namespace(host, workloads.get(host, ())),
            "signals": each["signals"],
            "callers": sorted(callers[host]),
            "workloads": sorted(workloads.get(host, ())),
        }
        for host, each in grouped_by(graph.edges, lambda edge: str(edge["service"])).items()
    ]


def _namespace(host: str, workloads: Any) -> str:
    parts = host.split(".")
    if len(parts) > 2 and parts[2] == "svc":
        return parts[1]
    return next((each.partition("/")[0] for each in sorted(workloads)), "")


def _series(told: Sequence[Json], asked: int) -> Any:
    """Steps of the longest; what began later tells shorter ones at first."""
    step_s = max(each["step_s"] for each in told)
    parts: dict[float, list[Json]] = {}
    whole = {_seconds(point) for each in told if each["step_s"] == step_s for point in each["points"]}
    for each in told:
        for point in each["points"]:
            at = _seconds(point) // step_s * step_s
            if at in whole:
                means = {name: point[name] * each["step_s"] / step_s for name in MEANS}
                parts.setdefault(at, []).append(point | means)
    return {"step_s": step_s, "points": [_step(at, parts[at]) for at in sorted(parts)]}


def _step(at: float, points: Sequence[Json]) -> Json:
    durations = added([point["durations"] for point in points])
    named = {"at", "durations", *QUANTILES}
    signals = summed_signals([{k: v for k, v in point.items() if k not in named} for point in points], durations)
    return {"at": datetime.fromtimestamp(at, UTC).isoformat(), **signals}


def _seconds(point: Json) -> float:
    return datetime.fromisoformat(point["at"]).timestamp()


def _overview(told: Sequence[Json], asked: int) -> Any:
    sums = {name: sum(each[name] for each in told) for name in ("proxies", "stale", "rejected")}
    problems = {name: max(each["problems"][name] for each in told) for name in told[0]["problems"]}
    known = max(asked, *(each["replicas"]["known"] for each in told))
    ready = all(each["ready"] for each in told)
    replicas = {"shown": len(told), "known": known}
    return {**told[0], **sums, "ready": ready, "problems": problems, "replicas": replicas}


def _proxies(told: Sequence[Sequence[Json]], asked: int) -> Any:
    def worst(proxy: Json) -> int:
        return min((_WORST.index(state) for state in proxy["types"].values() if state in _WORST), default=len(_WORST))

    return sorted((proxy for each in told for proxy in each), key=lambda proxy: (worst(proxy), proxy["proxy"]))


def _objects(told: Sequence[Sequence[Json]], asked: int) -> Any:
    found: dict[str, list[Json]] = {}
    for each in told:
        for row in each:
            found.setdefault(row["object"], []).append(row)
    return [
        {
            **rows[0],
            **{name: sum(row[name] for row in rows) for name in ("live", "total", "refused", "dry_run")},
            "rejections": [each for row in rows for each in row["rejections"]],
            "problems": max(row["problems"] for row in rows),
            "errors": any(row["errors"] for row in rows),
        }
        for rows in found.values()
    ]


def _each_once(told: Sequence[Sequence[Json]], asked: int) -> Any:
    found = {msgspec.json.encode(row): row for each in told for row in each}
    return list(found.values())


def _refusals(told: Sequence[Sequence[Json]], asked: int) -> Any:
    same: dict[bytes, list[Json]] = {}
    for each in told:
        for row in each:
            key = msgspec.json.encode([row["from"], row["to"], row["kind"], row["policies"]])
            same.setdefault(key, []).append(row)
    found = [
        {
            **max(rows, key=lambda row: str(row["last"])),
            "times": sum(row["times"] for row in rows),
            "first": min(row["first"] for row in rows),
        }
        for rows in same.values()
    ]
    return sorted(found, key=lambda row: -row["times"])


def _history(told: Sequence[Json], asked: int) -> Any:
    """Every change once: replicas number their generations by themselves, and read the same objects."""
    found: list[Json] = []
    for each in told:
        mine = list[Json]()
        for generation in each["generations"]:
            same = next((known for known in found if _is_same(known, generation) and known not in mine), None)
            if same is None:
                mine.append({**generation})
            else:
                same.update(_together(same, generation))
        found += mine
    found.sort(key=lambda generation: str(generation["at"]))
    numbered = [{**generation, "generation": number} for number, generation in enumerate(found, 1)]
    tried = max((each.get("rollouts", ()) for each in told), key=len)  # a rollout is one of the whole mesh
    more = {"started": min(_started(told)), "rollouts": tried}
    return {**told[0], "generations": numbered, "generation": len(numbered), **more}


def _started(told: Sequence[Json]) -> list[str]:
    return [str(each["started"]) for each in told]


def _is_same(one: Json, other: Json) -> bool:
    if abs(_seconds(one) - _seconds(other)) > _SAME_CHANGE_S or one["more_objects"] != other["more_objects"]:
        return False
    return bool(_what(one) == _what(other))


def _what(generation: Json) -> Any:
    return [(each["object"], each["what"], each["generation"], each["fields"]) for each in generation["objects"]]


def _together(one: Json, other: Json) -> Json:
    took = [each["converged_s"] for each in (one, other) if each["proxies"]]
    return {
        "at": min(one["at"], other["at"]),
        "proxies": one["proxies"] + other["proxies"],
        "waiting": one["waiting"] + other["waiting"],
        "converged_s": None if None in took or not took else max(took),
        "nacks": [*one["nacks"], *other["nacks"]],
        "more_nacks": one["more_nacks"] + other["more_nacks"],
        "drains": [*one["drains"], *other["drains"]],
        "resources": {
            kind: max(one["resources"].get(kind, 0), other["resources"].get(kind, 0))
            for kind in {**one["resources"], **other["resources"]}
        },
    }


def _rollouts(told: Sequence[Json], asked: int) -> Any:
    """The rollout that has come the least far stands for all; what is held back is told once."""
    under_way = [each["rollout"] for each in told if each["rollout"] is not None]
    held: dict[bytes, Json] = {}
    for each in told:
        for row in each["held"]:
            held.setdefault(msgspec.json.encode([row["group"], row["object"]]), row)
    first = min(under_way, key=lambda each: int(each["step"]), default=None)
    ended = sorted((row for each in told for row in each["ended"]), key=lambda row: str(row["at"]))
    return {"rollout": first, "held": list(held.values()), "ended": ended}


MERGED: Final[Mapping[str, Callable[[Sequence[Any], int], Any]]] = {
    "/debug/telemetry/graph": _graph,
    "/debug/telemetry/services": _services,
    "/debug/telemetry/series": _series,
    "/debug/history": _history,
    "/debug/problems": _each_once,
    "/debug/refusals": _refusals,
    "/debug/rollouts": _rollouts,
    "/dashboard/api/overview": _overview,
    "/dashboard/api/proxies": _proxies,
    "/dashboard/api/objects": _objects,
    "/dashboard/api/series": _series,
}
"""What is put together, of the JSON of those that answer, and of how many were asked.

All other pages are those of the first that has them.
"""

ASKED_INSTEAD: Final[Mapping[str, str]] = {"/debug/telemetry/services": "/debug/telemetry/graph"}
"""Which page is asked for where its own does not tell enough to be put together."""

OVER_TIME: Final = frozenset({"/debug/telemetry/series", "/dashboard/api/series"})
"""Pages that are to be told who speaks plaintext at other replicas: they have no edges of which that could be seen."""

WITH_DURATIONS: Final = OVER_TIME | {"/debug/telemetry/graph"}
"""Pages that tell the buckets that quantiles are made of, if they are asked to."""
