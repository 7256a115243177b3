"""Connections of TCP that are open: those opened less those closed, of each proxy for as long as it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xds.telemetry.nodes import Key

FORGOTTEN_S: Final = 180.0
"""How long a proxy may say nothing before it counts as gone, and its connections with it."""


class OpenConnections:
    """What each proxy has opened and not closed; ``changed`` is told by how many more (or fewer) an edge has them."""

    def __init__(self, changed: Callable[[Key, int], None]) -> None:
        self._changed = changed
        self._of: dict[str, dict[Key, int]] = {}
        self._heard: dict[str, float] = {}
        self._ran: dict[str, float] = {}

    def add(self, proxy: str, key: Key, more: int) -> None:
        """A proxy has opened so many more than it has closed. Never fewer than none: what it had before is unknown."""
        own = self._of.setdefault(proxy, {})
        before = own.get(key, 0)
        after = max(0, before + more)
        if after:
            own[key] = after
        else:
            own.pop(key, None)
        if after != before:
            self._changed(key, after - before)

    def heard(self, proxy: str, now: float) -> None:
        """The proxy has told something."""
        self._heard[proxy] = now

    def running(self, proxy: str, seconds: float) -> None:
        """The proxy has run for so long: less than before, and it has been started anew, without its connections."""
        if seconds < self._ran.get(proxy, 0.0):
            self._gone(proxy)
        self._ran[proxy] = seconds

    def tidy(self, now: float) -> None:
        """Forget proxies that have gone."""
        for proxy in [proxy for proxy, last in self._heard.items() if now - last > FORGOTTEN_S]:
            del self._heard[proxy]
            self._ran.pop(proxy, None)
            self._gone(proxy)

    def _gone(self, proxy: str) -> None:
        for key, open_now in self._of.pop(proxy, {}).items():
            self._changed(key, -open_now)
