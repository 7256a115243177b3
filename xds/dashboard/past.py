"""What the dashboard asks of a Prometheus: hours and days, where the control plane itself knows of one hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from xds.failure import Failure
from xds.prometheus.client import Limits, Prometheus
from xds.prometheus.graph import graph
from xds.prometheus.series import HOURS, series

Json = dict[str, Any]

_LIMITS: Final = Limits(timeout_s=6.0)  # who asks the page gives up after ten
_FRESH_S: Final = 30.0  # points are minutes apart
_AWAY_S: Final = 5.0  # who does not answer is not asked again by everybody who looks
_MOST_KEPT: Final = 64
_MOST_WAITING: Final = 8
_LONGEST_NAME: Final = 600

_Key = tuple[str, str, str]
_Kept = tuple[float, Json | Failure]


class Past:
    """Answers of a Prometheus, each kept for a while; questions go one after the other, and few may wait."""

    @classmethod
    def of(cls, url: str) -> Self:
        """That of the Prometheus at ``url``. Errors: Failure, of what is no such URL."""
        return cls(Prometheus(url, _LIMITS))

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._kept: dict[_Key, _Kept] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def series(self, window: str, service: str) -> Json:
        """How the calls of a service (``""``: of all) went. Errors: Failure."""
        return await self._kept_or("series", window, service, lambda of: series(self._prometheus, of, service))

    async def graph(self, window: str, namespace: str) -> Json:
        """Who has called whom. Errors: Failure."""

        async def asked(window_s: int) -> Json:
            return dict((await graph(self._prometheus, window_s, namespace)).plain())

        return await self._kept_or("graph", window, namespace, asked)

    async def _kept_or(self, what: str, window: str, name: str, ask: Callable[[int], Awaitable[Json]]) -> Json:
        if window not in HOURS or len(name) > _LONGEST_NAME:
            raise Failure(f"window must be one of {', '.join(HOURS)}, is {window[:20]!r}")
        key = (what, window, name)
        if (found := self._known(key)) is None:
            found = await self._asked(key, ask)
        if isinstance(found, Failure):
            raise found.with_traceback(None)
        return found

    def _known(self, key: _Key) -> Json | Failure | None:
        until, found = self._kept.get(key, (0.0, None))
        return found if time.monotonic() < until else None

    async def _asked(self, key: _Key, ask: Callable[[int], Awaitable[Json]]) -> Json | Failure:
        if self._waiting >= _MOST_WAITING:
            raise Failure(f"{_MOST_WAITING} others are waiting for Prometheus; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                if (found := self._known(key)) is not None:
                    return found
                try:
                    found, lasts_s = await ask(HOURS[key[1]]), _FRESH_S
                except Failure as failure:
                    found, lasts_s = failure, _AWAY_S
                self._kept.pop(key, None)
                self._kept[key] = (time.monotonic() + lasts_s, found)
                while len(self._kept) > _MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
                return found
        finally:
            self._waiting -= 1
