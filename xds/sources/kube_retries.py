"""When the API server is asked again after it could not be: later each time, and at once when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Final

import structlog

from xds.events import Event

log = structlog.get_logger()

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
_SOONEST_S: Final = 0.05
_SPREAD_S: Final = 0.3


def backoff_s(failures: int) -> float:
    """Seconds until the next attempt after so many failures in a row: full jitter below a bound that doubles."""
    return max(_SOONEST_S, random.uniform(0, min(_LONGEST_S, _FIRST_S * 2 ** min(failures - 1, 16))))


class Reach:
    """Whether the API server answers, as all who ask it have seen: one event when it is lost, one when it is back."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lost_by: set[str] = set()
        self._back = asyncio.Event()

    def lost(self, who: str, why: str) -> None:
        """``who`` got no answer."""
        if not self._lost_by:
            log.warning(Event.API_SERVER_LOST, source=self._source, kind=who, error=why)
        self._lost_by.add(who)

    def found(self, who: str) -> None:
        """``who`` got an answer; the others need not wait longer."""
        if who not in self._lost_by:
            return
        self._lost_by.discard(who)
        back, self._back = self._back, asyncio.Event()
        back.set()
        if not self._lost_by:
            log.info(Event.API_SERVER_REACHED, source=self._source)

    async def pause(self, seconds: float) -> None:
        """Return after so many seconds, or shortly after another has got an answer again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._back.wait()
            await asyncio.sleep(random.uniform(0, _SPREAD_S))  # not all at the same moment
