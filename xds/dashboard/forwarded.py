"""The dashboard on the machine of who looks at it: the page from here, what it asks from control planes elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xds.dashboard import page
from xds.dashboard.guard import Guard
from xds.dashboard.merged import ASKED_INSTEAD, MERGED, OVER_TIME, WITH_DURATIONS, spoken_plain
from xds.failure import Failure

# What the page asks for, and nothing else: some pages of a control plane begin something.
_ASKED: Final = (
    "/dashboard/api/{name}",
    "/dashboard/api/past/{name}",
    "/debug/telemetry/{name}",
    "/debug/history",
    "/debug/problems",
    "/debug/refusals",
    "/debug/rollouts",
    "/debug/workloads",
)
_TOLD: Final = ("/dashboard/api/login", "/dashboard/api/rollouts/promote", "/dashboard/api/rollouts/abort")

_GRAPH: Final = "/debug/telemetry/graph"
_LONGEST_LIST: Final = 6_000  # servers take addresses of 16 KB

Answer = tuple[int, bytes]


class Replica(Protocol):
    """A control plane's pages. Both methods block, may be called in several threads, and raise Failure."""

    @property
    def name(self) -> str:
        """Where, for messages."""
        ...

    def get(self, path: str) -> Answer:
        """Status and body of a page."""
        ...

    def act(self, path: str, authorization: str) -> Answer:
        """The same of one that does something, for who has that credential."""
        ...


def forwarded(replicas: Callable[[], Sequence[Replica]]) -> Guard:
    """The application: the page itself, and what the replicas, at least one, answer for it together."""
    asked = _Asked(replicas)
    routes = [
        *page.routes(),
        *(Route(path, asked.told, methods=["POST"]) for path in _TOLD),
        *(Route(path, asked.answer) for path in _ASKED),
    ]
    return Guard(Starlette(routes=routes))


class _Asked:
    def __init__(self, replicas: Callable[[], Sequence[Replica]]) -> None:
        self._replicas = replicas

    async def answer(self, request: Request) -> Response:
        """What the page asks for."""
        path = request.url.path
        if len(self._replicas()) > 1 and path in MERGED:
            return _response(await self._merged(path, request.query_params))
        return _response(await self._first(f"{path}?{request.url.query}" if request.url.query else path))

    async def told(self, request: Request) -> Response:
        """What somebody who logs in does: a login needs one replica, all else is for each, as its proxies are."""
        path, said = request.url.path, request.headers.get("authorization", "")
        query = f"?{request.url.query}" if request.url.query else ""
        known = self._replicas()
        some = known[:1] if path.endswith("/login") else known
        told = await asyncio.gather(*(_ask(each.act, f"{path}{query}", said) for each in some))
        good = [answer for answer in told if answer[0] == 200]
        unsure = [answer for answer in told if answer[0] not in (200, 404)]
        return _response((unsure or good or told)[0])

    async def _first(self, path: str) -> Answer:
        """The answer of the first replica that has one: each knows its own proxies."""
        told = list[Answer]()
        for each in self._replicas():
            status, body = await _ask(each.get, path)
            if status == 200 and not _is_empty(path, body):
                return status, body
            told.append((status, body))
        return min(told, key=lambda answer: answer[0])  # with nothing to tell, not there, away: in this order

    async def _merged(self, path: str, query: Mapping[str, str]) -> Answer:
        asked, wanted = ASKED_INSTEAD.get(path, path), dict(query)
        if asked in WITH_DURATIONS:
            wanted["durations"] = "true"
        if asked in OVER_TIME and (plain := await self._plain(query.get("service", ""))):
            wanted["plain"] = plain
        told = await self._of_each(f"{asked}?{urlencode(wanted)}" if wanted else asked)
        good = [body for status, body in told if status == 200]
        if not good:
            return told[0]
        return await asyncio.to_thread(_together, path, good, len(told))

    async def _plain(self, service: str) -> str:
        """To whom proxies of any replica speak plaintext, as pages are told it."""
        told = await self._of_each(f"{_GRAPH}?window=1h&durations=true")
        good = [body for status, body in told if status == 200]
        return await asyncio.to_thread(_plain, good, service)

    async def _of_each(self, path: str) -> Sequence[Answer]:
        return await asyncio.gather(*(_ask(each.get, path) for each in self._replicas()))


def _plain(bodies: Sequence[bytes], service: str) -> str:
    try:
        found = spoken_plain([msgspec.json.decode(body) for body in bodies], service)
    except (msgspec.DecodeError, LookupError, TypeError):
        return ""
    text = ",".join(found)
    return text if len(text) <= _LONGEST_LIST else text[:_LONGEST_LIST].rpartition(",")[0]


def _together(path: str, bodies: Sequence[bytes], asked: int) -> Answer:
    try:
        told = MERGED[path]([msgspec.json.decode(body) for body in bodies], asked)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return 502, _error("what replicas answer does not fit together: are they of one version?")
    return 200, msgspec.json.encode(told)


async def _ask(how: Any, path: str, *more: str) -> Answer:
    try:
        answer: Answer = await asyncio.to_thread(how, path, *more)
    except Failure as failure:
        return 502, _error(str(failure))
    return answer


def _is_empty(path: str, body: bytes) -> bool:
    """Whether a replica has nothing to tell of a service's routes, as none of its proxies was sent any."""
    return path.startswith("/dashboard/api/service?") and b'"seen_by":""' in body


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})


def _response(answer: Answer) -> Response:
    status, body = answer
    return Response(body, status, {"cache-control": "no-store"}, "application/json")
