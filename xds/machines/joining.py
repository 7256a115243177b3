"""How a machine gets into a local mesh: a token for a WorkloadGroup, for who owns the mesh, by a socket of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xds.admin.listen import listen, serve
from xds.machines.machines import entry_name
from xds.model.snapshot import Snapshot, Table
from xds.model.workload_group import WorkloadGroup, group_ref

PAGE: Final = "/join"
_LONGEST: Final = timedelta(days=365)

Issue = Callable[[str, str, str, timedelta], str]
"""A token for namespace, service account and name, good for that long from now on."""


class Joining:
    """The page: ``GET /join?namespace=&group=&address=&lifetime_s=``; ``xds`` is where machines find the mesh."""

    def __init__(self, snapshot: Callable[[], Snapshot], issue: Issue, xds: str) -> None:
        self._snapshot = snapshot
        self._issue = issue
        self._xds = xds

    async def page(self, request: Request) -> Response:
        """A token and whom it is for; 404 without such a group, 400 for a question that makes no sense."""
        asked = request.query_params
        namespace, group = asked.get("namespace", ""), asked.get("group", "")
        rows = self._snapshot().rows(Table.WORKLOAD_GROUP, group_ref(namespace, group))
        found: WorkloadGroup | None = rows[0] if rows else None
        if found is None:
            return JSONResponse({"error": f"there is no WorkloadGroup {group} in namespace {namespace}"}, 404)
        try:
            name = entry_name(group, asked.get("address", ""), found.network)
            lifetime = min(timedelta(seconds=float(asked.get("lifetime_s", ""))), _LONGEST)
        except (ValueError, OverflowError) as error:
            return JSONResponse({"error": str(error)}, 400)
        account = found.service_account or "default"
        token = self._issue(namespace, account, name, lifetime)
        return JSONResponse({"name": name, "service_account": account, "token": token, "xds": self._xds})


@contextlib.asynccontextmanager
async def joinable(joining: Joining, socket: Path) -> AsyncIterator[None]:
    """The page on a unix socket that its owner may use and nobody else, until the context is left. Errors: OSError."""
    listener = listen(f"unix:{socket}")
    await asyncio.to_thread(socket.chmod, 0o600)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(Starlette(routes=[Route(PAGE, joining.page)]), listener, stop), name="joining")
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(serving, return_exceptions=True)
