"""What the page asks for beside ``/debug``: short lists of what is long there, counts, and answers. JSON, read only."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from xds import __version__
from xds.admin.status import ProxySync, SentResource, Status, Sync
from xds.admin.sync_pages import proxy_json, types_json
from xds.admin.telemetry import plain, steps_json
from xds.audit.refusal import Kind
from xds.controllers.live_count import LiveCount
from xds.controllers.policies import COUNTED_KINDS
from xds.dashboard.around import Around
from xds.dashboard.asked import Asked
from xds.dashboard.past import Past
from xds.dashboard.sent import known, objects_behind, of_host, routes_of
from xds.failure import Failure, Unreachable
from xds.model.problem import Severity
from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.prometheus.series import HOURS
from xds.slices import in_slices, listed
from xds.telemetry.known import Wanted
from xds.telemetry.ring import HOUR_S
from xds.why.question import Question

_FRESH_S: Final = 1.0  # many who look at once cost as much as one

# What a look at the list should find first.
_ORDER: Final = (Sync.REJECTED, Sync.STALE, Sync.SYNCED)

Json = dict[str, Any]

_UNKNOWN_SERVICE: Final[Json] = {
    "namespace": "",
    "ports": [],
    "addresses": [],
    "seen_by": "",
    "routes": [],
    "objects": [],
    "workloads": [],
}


def routes(status: Status, asked: Asked, around: Around) -> list[BaseRoute]:
    """The routes below ``/dashboard/api``."""
    api = _Api(status, asked, around)
    answers: dict[str, Callable[[Request], Awaitable[Any]]] = {
        "overview": api.overview,
        "services": api.services,
        "service": api.service,
        "callers": api.callers,
        "proxies": api.proxies,
        "proxy": api.proxy,
        "resource": api.resource,
        "objects": api.objects,
        "series": api.series,
        "past/series": api.past_series,
        "past/graph": api.past_graph,
        "explain": api.explain,
    }
    return [Route(f"/dashboard/api/{name}", _page(answer)) for name, answer in answers.items()]


class _Unknown(Exception):
    """There is nothing of that name; the text says of which."""


def _page(answer: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        status, told = 200, None
        try:
            told = await answer(request)
        except _Unknown as unknown:
            status, told = 404, {"error": str(unknown)}
        except Unreachable as failure:
            status, told = 502, {"error": str(failure)}
        except Failure as failure:
            status, told = 400, {"error": str(failure)}
        # Spelling out some megabytes takes longer than a stream should wait.
        body = await asyncio.to_thread(msgspec.json.encode, told)
        return Response(body, status, {"cache-control": "no-store"}, "application/json")

    return page


class _Api:
    """One method an address."""

    def __init__(self, status: Status, asked: Asked, around: Around) -> None:
        self._status = status
        self._asked = asked
        self._around = around
        self._synced: tuple[float, Sequence[ProxySync]] = (0.0, ())

    async def overview(self, request: Request) -> Json:
        """How the mesh does, in a few numbers."""
        proxies = self._proxies()
        worst = Counter(_worst(proxy) for proxy in proxies)
        severities = Counter(problem.severity for problem in self._status.problems())
        return {
            "version": __version__,
            "ready": self._status.ready(),
            "proxies": len(proxies),
            "stale": worst[Sync.STALE],
            "rejected": worst[Sync.REJECTED],
            "problems": {each.value: severities[each] for each in Severity},
            "replicas": {"shown": 1, "known": self._around.replicas()},
            "past": list(HOURS) if self._around.past is not None else [],
            "login": self._around.acting is not None,
        }

    async def services(self, request: Request) -> list[Json]:
        """All services by host."""
        return await in_slices(listed(_service(each) for each in self._asked.services()))

    async def service(self, request: Request) -> Json:
        """One service: ``?host=``; its workloads, and its routes and objects as one of its callers was sent them."""
        host = request.query_params.get("host", "")
        service = self._service(host)
        if service is None:
            return {**_UNKNOWN_SERVICE, "host": host}
        behind = await self._asked.behind(service)
        viewer = self._viewer(service.namespace)
        sent = of_host(self._status.config_dump(viewer.id) or () if viewer is not None else (), host)
        return {
            **_service(service),
            "seen_by": viewer.label if viewer is not None and sent else "",
            "routes": await asyncio.to_thread(routes_of, sent),
            "objects": objects_behind(sent, service.ref),
            "workloads": [{**asdict(each), "policies": [self._named(ref) for ref in each.policies]} for each in behind],
        }

    async def callers(self, request: Request) -> list[Json]:
        """Who may call a service, and who may not: ``?host=&port=``."""
        host, port = request.query_params.get("host", ""), request.query_params.get("port", "")
        service = self._service(host)
        if service is None or not any(str(each.number) == port for each in service.ports):
            raise _Unknown(f"there is no service {host!r} with a port {port!r}")
        return [asdict(each) for each in await self._asked.callers(service, int(port))]

    async def proxies(self, request: Request) -> list[Json]:
        """All connected proxies, with the state of each type."""
        return [
            {**proxy_json(each), "types": {name: sync.state.value for name, sync in each.types.items()}}
            for each in sorted(self._proxies(), key=lambda proxy: _ORDER.index(_worst(proxy)))
        ]

    async def proxy(self, request: Request) -> Json:
        """One proxy: ``?id=``; how far it is with each type, and the names of all that it was sent."""
        found, sent = self._sent(request.query_params.get("id", ""))
        return {
            **proxy_json(found),
            "types": types_json(found),
            "resources": await in_slices(
                listed(
                    {"type": each.type, "name": each.name, "by": [known(one) for one in each.provenance]}
                    for each in sent
                )
            ),
        }

    async def resource(self, request: Request) -> Json:
        """One resource that a proxy was sent: ``?proxy=&type=&name=``."""
        query = request.query_params
        _, sent = self._sent(query.get("proxy", ""))
        wanted = (query.get("type", ""), query.get("name", ""))
        found = next((each for each in sent if (each.type, each.name) == wanted), None)
        if found is None:
            raise _Unknown(f"the proxy was sent no {wanted[0]} {wanted[1]!r}")
        return {"resource": await asyncio.to_thread(found.plain)}

    async def objects(self, request: Request) -> list[Json]:
        """What users write for the mesh: where it is live, what is wrong with it, and what it refused."""
        live = await self._asked.live_counts()
        problems = Counter(each.at.object for each in self._status.problems() if each.severity is not Severity.INFO)
        errors = {each.at.object for each in self._status.problems() if each.severity is Severity.ERROR}
        refused, dry = self._refusals()
        told = (
            {
                **known(each),
                "kind": each.ref.kind,
                **_live(live.get(each.ref)),
                "problems": problems[each.ref],
                "errors": each.ref in errors,
                "refused": refused[each.ref],
                "dry_run": dry[each.ref],
            }
            for each in self._status.objects()
            if (each.ref.group, each.ref.kind) in COUNTED_KINDS
        )
        return await in_slices(listed(told))

    async def series(self, request: Request) -> Json:
        """How all calls of the mesh together went in the last hour."""
        step_s, steps = await in_slices(
            self._status.telemetry().steps(HOUR_S, Wanted(plain=plain(request.query_params)))
        )
        return steps_json(step_s, steps, with_durations=request.query_params.get("durations") == "true")

    async def past_series(self, request: Request) -> Json:
        """The same of a longer ``?window=``, of all calls or those of a ``&service=``: what Prometheus has."""
        query = request.query_params
        return await self._past().series(query.get("window", ""), query.get("service", ""))

    async def past_graph(self, request: Request) -> Json:
        """Who called whom in a longer ``?window=``, in a ``&namespace=`` or in all: what Prometheus has."""
        query = request.query_params
        return await self._past().graph(query.get("window", ""), query.get("namespace", ""))

    async def explain(self, request: Request) -> Mapping[str, Any]:
        """What becomes of a call: ``?from=&to=``, and ``method=``, ``path=``, ``namespace=``, ``header=``, ``ip=``."""
        query = request.query_params
        if not query.get("from") or not query.get("to"):
            raise Failure("say who calls and what: ?from=NAMESPACE/WORKLOAD&to=HOST:PORT")
        return await self._asked.explain(
            Question(
                query["from"],
                query["to"],
                query.get("method") or "GET",
                query.get("path") or "/",
                namespace=query.get("namespace", ""),
                headers=tuple(query.getlist("header")),
                plaintext=bool(query.get("plaintext")),
                address=query.get("ip", ""),
            )
        )

    def _past(self) -> Past:
        if self._around.past is None:
            raise Failure("this control plane knows no Prometheus: start it with --prometheus URL")
        return self._around.past

    def _service(self, host: str) -> Service | None:
        return next((each for each in self._asked.services() if each.hostname == host), None)

    def _proxies(self) -> Sequence[ProxySync]:
        if time.monotonic() - self._synced[0] > _FRESH_S:
            self._synced = (time.monotonic(), self._status.syncz())
        return self._synced[1]

    def _sent(self, wanted: str) -> tuple[ProxySync, Sequence[SentResource]]:
        found = next((each for each in self._proxies() if wanted in {each.id, each.label}), None)
        sent = self._status.config_dump(found.id) if found is not None else None
        if found is None or sent is None:
            raise _Unknown(f"no proxy {wanted!r} is connected")
        return found, sent

    def _viewer(self, namespace: str) -> ProxySync | None:
        """A sidecar that may call what is in a namespace: one there, else any."""
        sidecars = [each for each in self._proxies() if each.id.startswith("sidecar~")]
        return next((each for each in sidecars if each.namespace == namespace), next(iter(sidecars), None))

    def _refusals(self) -> tuple[Counter[ObjectRef], Counter[ObjectRef]]:
        refused, dry = Counter[ObjectRef](), Counter[ObjectRef]()
        for key, count in self._status.refusals().counts():
            for blame in key.policies:
                (dry if key.kind is Kind.WOULD_REFUSE else refused)[blame.object] += count.times
        return refused, dry

    def _named(self, ref: ObjectRef) -> Json:
        return {"object": str(ref), "origin": self._asked.origin(ref)}


def _service(service: Service) -> Json:
    ports = [{"number": each.number, "name": each.name, "protocol": each.protocol.value} for each in service.ports]
    own = {"host": service.hostname, "namespace": service.namespace}
    return {**own, "ports": ports, "addresses": list(service.addresses)}


def _worst(proxy: ProxySync) -> Sync:
    states = {sync.state for sync in proxy.types.values()}
    return next((each for each in _ORDER if each in states), Sync.SYNCED)


def _live(count: LiveCount | None) -> Json:
    if count is None:
        return {"live": 0, "total": 0, "rejections": []}
    return {"live": count.live, "total": count.total, "rejections": [asdict(each) for each in count.rejections]}
