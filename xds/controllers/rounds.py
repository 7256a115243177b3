"""Work that is done again and again: after a while, at once when told, and later and later while it fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from xds.events import Event

log = structlog.get_logger()

Failed = (ApiException, HTTPError, OSError)
"""What a call of the API server fails with: its own answer, or no answer."""

TIMEOUT_S: Final = 10.0
"""How long the API server may take for one call."""

_FIRST_S: Final = 1.0
_LAST_S: Final = 30.0


class Rounds:
    """Does ``work`` every ``every``, and soon after ``changed()``. A failure is logged as ``failed``, each but once."""

    def __init__(self, work: Callable[[], Awaitable[None]], every: timedelta, failed: Event) -> None:
        self._work = work
        self._every_s = every.total_seconds()
        self._failed = failed
        self._news = asyncio.Event()

    def changed(self) -> None:
        """Something is to be done now."""
        self._news.set()

    async def run(self) -> None:
        """Work, for ever; ends when cancelled."""
        failures, trouble = 0, ""
        while True:
            self._news.clear()
            try:
                await self._work()
                failures, trouble = 0, ""
            except Failed as error:
                failures += 1
                if reason(error) != trouble:
                    trouble = reason(error)
                    log.warning(self._failed, reason=trouble)
            if failures:
                # Not cut short by news: the API server is in trouble, or refuses.
                longest = min(_LAST_S, _FIRST_S * 2 ** min(failures - 1, 10))
                await asyncio.sleep(longest * random.uniform(0.5, 1.0))
            else:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._news.wait()
        except TimeoutError:
            pass


def reason(error: Exception) -> str:
    """Why a call failed, in a line."""
    if isinstance(error, ApiException):
        text = " ".join(str(error.body or error.reason or "").split())
        return f"{error.status}: {text[:300]}"
    return f"the API server cannot be reached: {type(error).__name__}: {str(error)[:200]}"
