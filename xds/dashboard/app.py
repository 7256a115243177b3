"""The admin pages with the dashboard beside them, behind the guard."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette

from xds.admin.status import Status
from xds.dashboard import api, page
from xds.dashboard.around import Around
from xds.dashboard.asked import Asked
from xds.dashboard.guard import Guard

NOTHING_AROUND: Final = Around()


def with_dashboard(pages: Starlette, status: Status, asked: Asked, around: Around = NOTHING_AROUND) -> Guard:
    """``pages``, those of the dashboard, and who may be asked for them by which name."""
    acting = around.acting.routes() if around.acting is not None else []
    pages.routes.extend([*page.routes(), *api.routes(status, asked, around), *acting])
    return Guard(pages)
