"""Where the admin pages are served: all of them for who may see everything, some for kubelets and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Route

from xds.admin.app import app, health_app
from xds.admin.listen import listen, serve
from xds.admin.status import Status
from xds.settings import Settings

NAMES: Final = frozenset({"http", "health"})


def pages(
    settings: Settings, status: Status, stop: asyncio.Event, more: Sequence[Route] = ()
) -> dict[str, Coroutine[Any, Any, None]]:
    """Listen; what comes back is to run, by the setting's name, and ends when ``stop`` is set. ``more`` are not for
    kubelets.

    Errors: OSError when an address cannot be had.
    """
    wanted: dict[str, tuple[str, Callable[[Status], Starlette]]] = {
        "http": (settings.http, partial(_with, more)),
        "health": (settings.health, health_app),
    }
    listeners = {name: listen(address) for name, (address, _) in wanted.items() if address}
    return {name: serve(wanted[name][1](status), listener, stop) for name, listener in listeners.items()}


def _with(more: Sequence[Route], status: Status) -> Starlette:
    made = app(status)
    made.router.routes.extend(more)
    return made
