"""The traffic of a mesh that nobody runs: who calls whom, as the pages below ``/debug/telemetry`` tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls whom, how often a second, and how well."""

    source: str
    destination: str
    host: str
    rate: float
    errors: float
    p50_ms: float
    protocol: str = "http"
    security: str = "mutual_tls"


class MadeUpTraffic:
    """Who calls whom of services, which are given by namespace and name; the first is called from outside."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        self.names = names
        random = Random(len(names))
        outside: Json = {"id": "unknown", "kind": "unknown", "namespace": "", "name": "outside", "version": ""}
        self.nodes = [*(_node(namespace, name) for namespace, name in names), outside]
        entry = names[0]
        self.calls = [Call("unknown", workload_id(*entry), host(*entry), 840, 0.002, 21, security="none")]
        for at in range(1, len(names)):
            for above in {random.randrange(max(0, at // 3), at) for _ in range(1 + (at % 3 == 0))}:
                self.calls.append(self._call(random, above, at))

    def _call(self, random: Random, above: int, at: int) -> Call:
        source, destination = self.names[above], self.names[at]
        errors = 0.08 if at % 11 == 4 else 0.02 if at % 7 == 5 else random.random() * 0.004
        protocol = "tcp" if at % 10 == 9 else "grpc" if at % 5 == 3 else "http"
        rate, slow = round(600 / at * (0.5 + random.random()), 2), round(2 + random.random() * 40, 1)
        security = "none" if at % 13 == 6 else "mutual_tls"
        return Call(
            workload_id(*source), workload_id(*destination), host(*destination), rate, errors, slow, protocol, security
        )

    def pages(self) -> list[BaseRoute]:
        """The routes of the telemetry pages."""
        return [
            Route("/debug/telemetry/graph", self._graph),
            Route("/debug/telemetry/services", self._services),
            Route("/debug/telemetry/series", self._series),
            Route("/dashboard/api/series", self._series),
        ]

    async def _graph(self, request: Request) -> Response:
        edges = [
            {"source": each.source, "destination": each.destination, "service": each.host, "protocol": each.protocol,
             "security": each.security, "signals": _signals(each), "durations": []}
            for each in self.calls
        ]  # fmt: skip
        return _json({"window_s": 60, "at": datetime.now(UTC).isoformat(), "nodes": self.nodes, "edges": edges})

    async def _services(self, request: Request) -> Response:
        found = []
        for namespace, name in self.names:
            into = [each for each in self.calls if each.host == host(namespace, name)]
            if into:
                busiest = max(into, key=lambda each: each.rate)
                own = {"host": busiest.host, "namespace": namespace, "signals": _signals(busiest)}
                found.append(
                    {**own, "callers": [each.source for each in into], "workloads": [workload_id(namespace, name)]}
                )
        return _json(found)

    async def _series(self, request: Request) -> Response:
        service = request.query_params.get("service", "")
        call = next((each for each in self.calls if each.host == service), self.calls[0])
        now, points = datetime.now(UTC), []
        for at in range(90):
            wave = 1 + 0.25 * math.sin(at / 9) + 0.06 * math.sin(at * 2.3)
            errors = call.errors * (1 + 9 * (48 <= at <= 56))
            made = Call(call.source, call.destination, service, call.rate * wave, errors, call.p50_ms * wave)
            points.append({"at": (now - timedelta(seconds=10 * (89 - at))).isoformat(), **_signals(made, seconds=10)})
        return _json({"step_s": 10, "points": points})


def _json(told: Any) -> Response:
    return Response(msgspec.json.encode(told), media_type="application/json")


def _signals(call: Call, seconds: int = 60) -> Json:
    requests = round(call.rate * seconds)
    tcp = call.protocol == "tcp"
    return {
        "requests": 0 if tcp else requests, "rate": 0.0 if tcp else call.rate,
        "errors_4xx": 0 if tcp else requests // 90, "errors_5xx": 0 if tcp else round(requests * call.errors),
        "error_share": 0.0 if tcp else call.errors,
        "p50_ms": None if tcp else call.p50_ms, "p95_ms": None if tcp else call.p50_ms * 2.6,
        "p99_ms": None if tcp else call.p50_ms * 4.1, "bytes_sent": requests * 2100, "bytes_received": requests * 310,
        "connections_opened": 3, "connections_open": 12 if tcp else 0,
        "in_flight": 12.0 if tcp else round(call.rate * call.p50_ms * 1.2 / 1000, 3), "overloaded": 0,
    }  # fmt: skip


def workload_id(namespace: str, name: str) -> str:
    """The id of a workload."""
    return f"{namespace}/{name}"


def host(namespace: str, name: str) -> str:
    """The host of a service."""
    return f"{name}.{namespace}.svc.cluster.local"


def _node(namespace: str, name: str) -> Json:
    return {
        "id": workload_id(namespace, name),
        "kind": "workload",
        "namespace": namespace,
        "name": name,
        "version": "v1",
    }
