"""The last hour as pages: the graph, services, and how one of them went, step by step."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xds.admin.exposition import Metric, Sample, gauge
from xds.admin.status import Status
from xds.slices import Slices, in_slices, taken
from xds.telemetry.known import Known, Wanted
from xds.telemetry.ring import HOUR_S, STEP_S
from xds.telemetry.signals import Total

Json = dict[str, Any]
Page = Callable[[Known, Mapping[str, str]], Slices[bytes]]

PAGES: Final = (
    "/debug/telemetry/graph?window=60s&namespace=",
    "/debug/telemetry/services?window=60s&namespace=",
    "/debug/telemetry/series?window=1h&service=",
)
_DURATION: Final = re.compile(r"([0-9]{1,5})(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_LONGEST_NAME: Final = 600
_LONGEST_LIST: Final = 10_000
_SLICE: Final = 50


def metrics(telemetry: Known) -> Iterable[Metric]:
    """What is counted of the counting itself."""
    yield gauge(
        "plait_telemetry_edges", "Edges of the service graph that are kept of the last hour.", len(telemetry.hour)
    )
    for name, about, value in (
        ("messages", "Messages of sidecars with what they have counted.", telemetry.messages),
        ("series_dropped", "Series in them beyond the limit of a message.", telemetry.series_dropped),
        ("folded", "Counts under an edge that stands for others, as there are too many.", telemetry.hour.folded),
    ):
        yield Metric(f"plait_telemetry_{name}_total", "counter", about, (Sample(value),))


def routes(status: Status) -> list[Route]:
    """The pages of what ``status`` knows."""
    return [
        Route(f"/debug/telemetry/{name}", _answering(status, page))
        for name, page in (("graph", _graph), ("services", _services), ("series", _series))
    ]


def _answering(status: Status, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            body = await in_slices(page(status.telemetry(), request.query_params))
        except ValueError as error:
            return Response(msgspec.json.encode({"error": str(error)}), 400, media_type="application/json")
        return Response(body, media_type="application/json")

    return answer


def _graph(telemetry: Known, query: Mapping[str, str]) -> Slices[bytes]:
    """Who calls whom. Errors: ValueError, which says what is wrong with the query."""
    window_s = _duration(query, "window", "60s")
    with_durations = query.get("durations") == "true"  # for who puts together what several replicas tell
    found = yield from telemetry.graph(window_s, Wanted(namespace=_name(query, "namespace")))
    nodes, edges = set[str](), list[bytes]()
    for number, edge in enumerate(taken(found)):
        if number % _SLICE == 0:
            yield
        nodes.update(edge.key[:2])
        more = {"durations": edge.durations} if with_durations else {}
        told = {**edge.key._asdict(), "security": edge.security, "signals": edge.signals, **more}
        edges.append(msgspec.json.encode(told))
    listed = list[bytes]()
    for number, each in enumerate(sorted(nodes)):
        if number % _SLICE == 0:
            yield
        listed.append(msgspec.json.encode(_node(telemetry, each)))
    head = msgspec.json.encode({"window_s": window_s, "at": _iso(telemetry.now())})
    return head[:-1] + b',"nodes":' + _listed(listed) + b',"edges":' + _listed(edges) + b"}"


def _services(telemetry: Known, query: Mapping[str, str]) -> Slices[bytes]:
    """What was called. Errors: ValueError, which says what is wrong with the query."""
    wanted = Wanted(namespace=_name(query, "namespace"))
    found = yield from telemetry.services(_duration(query, "window", "60s"), wanted)
    told = list[bytes]()
    for number, each in enumerate(taken(found)):
        if number % _SLICE == 0:
            yield
        told.append(msgspec.json.encode(each))
    return _listed(told)


def _series(telemetry: Known, query: Mapping[str, str]) -> Slices[bytes]:
    """How it went. Errors: ValueError, which says what is wrong with the query."""
    service, workload = _name(query, "service"), _name(query, "workload")
    if bool(service) == bool(workload):
        raise ValueError("say which: ?service=HOST or ?workload=NAMESPACE/NAME")
    if workload and workload.count("/") != 1:
        raise ValueError(f"workload must be NAMESPACE/NAME, is {workload!r}")
    direction = query.get("direction", "in")
    if direction not in {"in", "out"}:
        raise ValueError(f"direction must be in or out, is {direction[:20]!r}")
    _duration(query, "step", "10s")  # a wish: the answer says what the steps are
    wanted = Wanted(service=service, workload=workload, outgoing=direction == "out", plain=plain(query))
    step_s, steps = yield from telemetry.steps(_duration(query, "window", "1h"), wanted)
    found = steps_json(step_s, steps, with_durations=query.get("durations") == "true")
    return msgspec.json.encode(found)


def plain(query: Mapping[str, str]) -> frozenset[str]:
    """The workloads of ``&plain=``: who puts together what several replicas tell knows who speaks plaintext to them."""
    return frozenset(query.get("plain", "")[:_LONGEST_LIST].split(",")) - {""}


def steps_json(step_s: int, steps: Sequence[tuple[float, Total]], *, with_durations: bool) -> Json:
    """``step_s`` and ``points``: what was counted in each step, and when it began."""
    points = [
        {
            "at": _iso(at),
            **msgspec.to_builtins(total.signals(step_s)),
            **({"durations": total.durations} if with_durations else {}),
        }
        for at, total in steps
    ]
    return {"step_s": step_s, "points": points}


def _node(telemetry: Known, node_id: str) -> Json:
    node, version = telemetry.node(node_id)
    return {"id": node_id, "kind": node.kind, "namespace": node.namespace, "name": node.name, "version": version}


def _listed(each: list[bytes]) -> bytes:
    return b"[" + b",".join(each) + b"]"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _duration(query: Mapping[str, str], name: str, default: str) -> int:
    text = query.get(name, default)
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found is not None else 0
    if not STEP_S <= seconds <= HOUR_S:
        raise ValueError(f"{name} must be a duration of 10s to 1h, such as 60s or 5m, is {text[:20]!r}")
    return seconds


def _name(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"{name} must be a name, is {len(text)} characters long")
    return text
