"""The admin pages with the dashboard beside them, behind the guard."""

from __future__ import annotations

from starlette.applications import Starlette

from xds.admin.status import Status
from xds.dashboard import api, page
from xds.dashboard.asked import Asked
from xds.dashboard.guard import Guard


def with_dashboard(pages: Starlette, status: Status, asked: Asked) -> Guard:
    """``pages``, those of the dashboard, and who may be asked for them by which name."""
    pages.routes.extend([*page.routes(), *api.routes(status, asked)])
    return Guard(pages)
