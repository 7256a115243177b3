"""``/debug/profile?seconds=10``: what the event loop's time went to, by function; off unless the settings allow it.

Python's own profiler (cProfile) watches the loop's thread for so long: streams go on, at about half of their speed.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_MOST_S: Final = 60.0
_LINES: Final = 60
_SORTS: Final = {"own": "tottime", "total": "cumulative"}


class Profile:
    """One profile after the other: two at once would watch each other."""

    def __init__(self) -> None:
        self._busy = asyncio.Lock()

    async def page(self, request: Request) -> Response:
        """A table of functions: ``?seconds=`` (60 at most), ``&sort=own`` (their own time; default) or ``total``."""
        query = request.query_params
        try:
            seconds = float(query.get("seconds", "10"))
        except ValueError:
            seconds = -1.0
        sort = _SORTS.get(query.get("sort", "own"))
        if not 0 < seconds <= _MOST_S or sort is None:
            return PlainTextResponse(f"seconds must be above 0 and {_MOST_S:g} at most, sort own or total\n", 400)
        if self._busy.locked():
            return PlainTextResponse("somebody is profiling already\n", 409)
        async with self._busy:
            found = await _watched(seconds)
        return PlainTextResponse(await asyncio.to_thread(_table, found, sort))


async def _watched(seconds: float) -> cProfile.Profile:
    found = cProfile.Profile()
    found.enable()
    try:
        await asyncio.sleep(seconds)
    finally:
        found.disable()
    return found


def _table(found: cProfile.Profile, sort: str) -> str:
    text = io.StringIO()
    pstats.Stats(found, stream=text).sort_stats(sort).print_stats(_LINES)
    return text.getvalue()
