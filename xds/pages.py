"""Where the admin pages are served: all of them for who may see everything, some for kubelets and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Route

from xds.admin.app import app, health_app
from xds.admin.listen import listen, serve
from xds.admin.status import Status
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around
from xds.dashboard.asked import Asked
from xds.settings import Settings

NAMES: Final = frozenset({"http", "health"})


def pages(
    settings: Settings, status: Status, asked: Asked, stop: asyncio.Event, more: Sequence[Route], around: Around
) -> dict[str, Coroutine[Any, Any, None]]:
    """Listen; what comes back is to run, by the setting's name, and ends when ``stop`` is set.

    ``more`` are pages for who may see everything, ``around`` is what the dashboard can ask beside.
    Errors: OSError when an address cannot be had.
    """
    known = _with(app(status, profiling=settings.profiling), more)
    wanted = {
        "http": (settings.http, with_dashboard(known, status, asked, around)),
        "health": (settings.health, health_app(status)),
    }
    listeners = {name: listen(address) for name, (address, _) in wanted.items() if address}
    return {name: serve(wanted[name][1], listener, stop) for name, listener in listeners.items()}


def _with(known: Starlette, more: Sequence[Route]) -> Starlette:
    known.router.routes.extend(more)
    return known
