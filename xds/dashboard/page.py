"""The page itself: its document, its own scripts, and the libraries that were fetched when Plait was built."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_HERE: Final = Path(__file__).resolve().parent
_UI: Final = _HERE / "ui"
_LIBRARIES: Final = _HERE / "assets"
_IMPORT_MAP: Final = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'sha256-{import_map}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LACKING: Final = """<!doctype html><html lang="en"><title>Plait</title><h1>The dashboard is not here</h1>
<p>Its libraries could not be fetched when this Plait was built: that needs npm and its registry.
Build again where both can be had (<code>make setup</code> in a clone). All else works without it:
see <a href="/debug">/debug</a> and <code>plait --help</code>.</p></html>
"""


def routes() -> list[BaseRoute]:
    """The routes of the page."""
    return [
        Route("/", _to_the_page),
        Route("/dashboard", _to_the_page),
        Route("/dashboard/", _document),
        Mount("/dashboard/ui", _Files(directory=_UI)),
        Mount("/dashboard/libraries", _Files(directory=_LIBRARIES, check_dir=False)),
    ]


async def _to_the_page(request: Request) -> Response:
    return RedirectResponse("/dashboard/", 307)


async def _document(request: Request) -> Response:
    if not (_LIBRARIES / "preact.mjs").is_file():
        return HTMLResponse(_LACKING, 503, {"content-security-policy": "default-src 'none'"})
    text = (_UI / "index.html").read_text()
    return HTMLResponse(text, headers={"content-security-policy": policy(text), "cache-control": "no-cache"})


def policy(document: str) -> str:
    """The Content-Security-Policy of the document: nothing from elsewhere, of inline scripts its import map."""
    found = _IMPORT_MAP.search(document)
    digest = hashlib.sha256(found[1].encode() if found is not None else b"").digest()
    return _POLICY.format(import_map=base64.b64encode(digest).decode())


class _Files(StaticFiles):
    """Files that browsers ask for anew, and get only where they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404."""
        if path.startswith("."):
            return PlainTextResponse("no such file\n", 404)
        found = await super().get_response(path, scope)
        found.headers["cache-control"] = "no-cache"
        return found
