"""Where the admin pages are served: all of them for who may see everything, some for kubelets and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette

from xds.admin.app import app, health_app
from xds.admin.listen import listen, serve
from xds.admin.status import Status
from xds.dashboard.acting import Acting, Writers
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around, Replicas, alone
from xds.dashboard.asked import Asked
from xds.dashboard.past import Past
from xds.failed.failed import Failed
from xds.failed.pages import routes as failed_routes
from xds.model.snapshot import Snapshot
from xds.rollout.pages import routes as rollout_routes
from xds.rollout.rollouts import Rollouts
from xds.settings import Settings

NAMES: Final = frozenset({"http", "health"})


@dataclass(frozen=True, slots=True)
class Told:
    """What pages tell of; ``writers`` says who of those that log in may write what, None: nobody."""

    status: Status
    asked: Asked
    snapshot: Callable[[], Snapshot]
    rollouts: Rollouts
    failed: Failed
    writers: Writers | None


def pages(settings: Settings, told: Told, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
    """Listen; what comes back is to run, by the setting's name, and ends when ``stop`` is set.

    Errors: OSError when an address cannot be had; Failure where the Prometheus of the settings is no URL.
    """
    dashboard = with_dashboard(_debug_pages(settings, told), told.status, told.asked, _around(settings, told))
    wanted = {"http": (settings.http, dashboard), "health": (settings.health, health_app(told.status))}
    listeners = {name: listen(address) for name, (address, _) in wanted.items() if address}
    return {name: serve(wanted[name][1], listener, stop) for name, listener in listeners.items()}


def _debug_pages(settings: Settings, told: Told) -> Starlette:
    known = app(told.status, profiling=settings.profiling)
    known.router.routes.extend([*rollout_routes(told.rollouts), *failed_routes(told.failed)])
    return known


def _around(settings: Settings, told: Told) -> Around:
    replicas = Replicas(told.snapshot, settings.namespace, settings.revision) if settings.watches_cluster else alone
    return Around(
        past=Past.of(settings.prometheus) if settings.prometheus else None,
        acting=Acting(told.rollouts, told.writers) if told.writers is not None else None,
        replicas=replicas,
    )
