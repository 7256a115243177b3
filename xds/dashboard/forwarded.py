"""The dashboard on the machine of who looks at it: the page from here, what it asks from a control plane elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xds.dashboard import page
from xds.dashboard.guard import Guard
from xds.failure import Failure

Get = Callable[[str], tuple[int, bytes]]
"""Status and body of a page of the control plane. Blocks. Errors: Failure."""

# What the page asks for, and nothing else: some pages of a control plane begin something.
_ASKED: Final = (
    "/dashboard/api/{name}",
    "/debug/telemetry/{name}",
    "/debug/history",
    "/debug/problems",
    "/debug/refusals",
    "/debug/workloads",
)


def forwarded(get: Get) -> Guard:
    """The application: the page itself, and what ``get`` answers for it."""

    async def answer(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        try:
            status, body = await asyncio.to_thread(get, f"{request.url.path}{query}")
        except Failure as failure:
            status, body = 502, msgspec.json.encode({"error": str(failure)})
        return Response(body, status, {"cache-control": "no-store"}, "application/json")

    return Guard(Starlette(routes=[*page.routes(), *(Route(path, answer) for path in _ASKED)]))
