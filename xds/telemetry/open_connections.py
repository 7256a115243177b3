"""Connections of TCP that are open: those opened less those closed, of each proxy for as long as it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xds.telemetry.nodes import Key

FORGOTTEN_S: Final = 180.0
"""How long a proxy that is not known to be there may say nothing before it and its connections count as gone."""


class OpenConnections:
    """What each proxy has opened and not closed; ``changed`` is told by how many more (or fewer) an edge has them."""

    def __init__(self, changed: Callable[[Key, int], None]) -> None:
        self._changed = changed
        self._of: dict[str, dict[Key, int]] = {}
        self._seen: dict[str, float] = {}

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

    def there(self, proxy: str, now: float) -> None:
        """The proxy is known to be there now."""
        self._seen[proxy] = now

    def tidy(self, now: float) -> None:
        """Forget proxies that have gone."""
        for proxy in [proxy for proxy, last in self._seen.items() if now - last > FORGOTTEN_S]:
            self.gone(proxy)

    def gone(self, proxy: str) -> None:
        """The proxy has gone, or was started anew: without its connections."""
        self._seen.pop(proxy, None)
        for key, open_now in self._of.pop(proxy, {}).items():
            self._changed(key, -open_now)
