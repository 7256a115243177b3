"""The admin pages as an ASGI application: health, readiness, metrics, and the state as JSON under ``/debug``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from xds.admin import refusals, telemetry
from xds.admin.exposition import CONTENT_TYPE, render
from xds.admin.profile import Profile
from xds.admin.proxies_counted import counted
from xds.admin.status import KnownObject, SentResource, Status
from xds.admin.sync_pages import proxy_json, types_json
from xds.explain.listed import listed

Json = dict[str, Any]
_SLICE: Final = 100
_OF_OBJECTS: Final = ("/debug/live?kind=&name=", "/debug/history", "/debug/record?workload=&for=")


def app(status: Status, *, profiling: bool = False) -> Starlette:
    """The application that tells what ``status`` knows; ``profiling``: and what its own time goes to."""
    pages = _Pages(status)
    routes = {
        "/healthz": pages.healthz,
        "/readyz": pages.readyz,
        "/ready": pages.readyz,
        "/metrics": pages.metrics,
        "/debug": pages.debug,
        "/debug/syncz": pages.syncz,
        "/debug/config_dump": pages.config_dump,
        "/debug/problems": pages.problems,
        "/debug/registryz": pages.registryz,
        "/debug/audit": pages.audit,
        "/debug/refusals": pages.refusals,
        "/debug/workloads": pages.workloads,
        "/debug/ca": pages.ca,
        "/debug/sources": pages.sources,
        "/debug/live": pages.live,
        "/debug/history": pages.history,
        "/debug/record": pages.record,
        **({"/debug/profile": Profile().page} if profiling else {}),
    }
    return Starlette(routes=[*(Route(path, page) for path, page in routes.items()), *telemetry.routes(status)])


def health_app(status: Status) -> Starlette:
    """The application that tells how ``status`` does, and nothing of what it knows."""
    pages = _Pages(status)
    routes = {"/live": pages.healthz, "/ready": pages.readyz, "/metrics": pages.metrics}
    return Starlette(routes=[Route(path, page) for path, page in routes.items()])


class _Json(JSONResponse):
    """JSON in ASCII, so that names of files that are no UTF-8 can be told too."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, separators=(",", ":")).encode()


class _Pages:
    """One method a page."""

    def __init__(self, status: Status) -> None:
        self._status = status

    async def healthz(self, request: Request) -> Response:
        """200 while the event loop turns."""
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        """200 when a generation is served, 503 before."""
        if self._status.ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready: no generation is served yet\n", 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        metrics = [*counted(self._status.syncz()), *self._status.metrics()]
        return Response(render(metrics), media_type=CONTENT_TYPE)

    async def debug(self, request: Request) -> Response:
        """The pages below."""
        own = [*telemetry.PAGES, "/debug/syncz", "/debug/config_dump?proxy=", "/debug/problems", "/debug/registryz"]
        return _Json(
            [*own, "/debug/audit", "/debug/refusals", "/debug/workloads", "/debug/ca", "/debug/sources", *_OF_OBJECTS]
        )

    async def syncz(self, request: Request) -> Response:
        """Every connected proxy, type by type."""
        return _Json([{**proxy_json(proxy), "types": types_json(proxy)} for proxy in self._status.syncz()])

    async def config_dump(self, request: Request) -> Response:
        """What one proxy was sent: ``?proxy=`` its node id or ``pod.namespace``, ``&type=cds`` for one type."""
        wanted, only = request.query_params.get("proxy", ""), request.query_params.get("type", "")
        if not wanted:
            return _Json({"error": "say which: ?proxy=NODE-ID or ?proxy=POD.NAMESPACE"}, 400)
        found = next((proxy for proxy in self._status.syncz() if wanted in {proxy.id, proxy.label}), None)
        sent = self._status.config_dump(found.id) if found is not None else None
        if found is None or sent is None:
            return _Json({"error": f"no proxy {wanted!r} is connected"}, 404)
        chosen = [resource for resource in sent if only in {"", resource.type}]
        # A thousand clusters take a second to spell; streams must not wait for that.
        resources = await asyncio.to_thread(lambda: [_resource(resource) for resource in chosen])
        return _Json({"proxy": found.id, "resources": resources})

    async def problems(self, request: Request) -> Response:
        """What is wrong with the configuration, as ``plait analyze -o json`` has it."""
        return _Json([listed(problem) for problem in self._status.problems()])

    async def registryz(self, request: Request) -> Response:
        """The objects in force."""
        return _Json([_object(known) for known in self._status.objects()])

    async def audit(self, request: Request) -> Response:
        """The latest refusals: ``?from=``, ``to=``, ``kind=``, ``request_id=``, ``since=``, ``after=``, ``last=``."""
        try:
            wanted = refusals.wanted(request.query_params)
        except ValueError as error:
            return _Json({"error": str(error)}, 400)
        return _Json(refusals.latest(self._status.refusals(), wanted))

    async def refusals(self, request: Request) -> Response:
        """How often what was refused, by source, destination and policy."""
        return _Json(refusals.counted(self._status.refusals()))

    async def workloads(self, request: Request) -> Response:
        """All workloads, or those of ``?namespace=``, and what each takes from its callers."""
        only = request.query_params.get("namespace", "")
        found = []
        for number, each in enumerate(self._status.workloads()):
            if number % _SLICE == 0:
                await asyncio.sleep(0)  # streams must not wait for thousands of pods
            if only in {"", each.pod.namespace}:
                found.append(refusals.workload(each))
        return _Json(found)

    async def sources(self, request: Request) -> Response:
        """How well what is watched is being read: of a cluster each kind, its version, its age, what is in doubt."""
        return _Json(self._status.sources())

    async def live(self, request: Request) -> Response:
        """Whether one object is live: ``?group=&kind=&namespace=&name=``."""
        if not {"kind", "name"} <= request.query_params.keys():
            return _Json({"error": "say which: ?group=&kind=&namespace=&name="}, 400)
        return _Json(await self._status.live(request.query_params))

    async def history(self, request: Request) -> Response:
        """The latest generations: ``?last=``, ``after=``; or ``?generation=``, with the contents of its objects."""
        try:
            found = await self._status.history(request.query_params)
        except ValueError as error:
            return _Json({"error": str(error)}, 400)
        if found is None:
            return _Json({"error": "no such generation is known"}, 404)
        return await asyncio.to_thread(_Json, found)  # megabytes, which streams must not wait for

    async def record(self, request: Request) -> Response:
        """Begins or reads a recording: ``?workload=&for=``, ``?id=&after=`` (see ``xds.proxies.recordings``)."""
        try:
            found = self._status.record(request.query_params)
        except ValueError as error:
            return _Json({"error": str(error)}, 400)
        return _Json(found) if found is not None else _Json({"error": "there is no such recording any more"}, 404)

    async def ca(self, request: Request) -> Response:
        """Where the certificate authority stands; 404 where there is none."""
        found = self._status.ca()
        if found is None:
            return _Json({"error": "there is no certificate authority here"}, 404)
        times = {"since": found.since.isoformat(), "not_after": found.not_after.isoformat()}
        return _Json({**asdict(found), **times})


def _resource(resource: SentResource) -> Json:
    return {
        "type": resource.type,
        "name": resource.name,
        "version": resource.version,
        "provenance": [_object(known) for known in resource.provenance],
        "resource": resource.plain(),
    }


def _object(known: KnownObject) -> Json:
    return {
        **known.ref.plain(),
        "origin": str(known.origin) if known.origin else "",
        "generation": known.generation,
    }
