"""Make before break: routes to new clusters wait until the clusters have their endpoints."""

from __future__ import annotations

from collections.abc import Iterable


class Gate:
    """Closed while load assignments of new clusters are on their way; open again when they have been acknowledged.

    It opens at ``deadline`` at the latest, which later clusters do not put off: routes never wait longer than that.
    """

    __slots__ = ("_awaited", "_hold_s", "deadline")

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._awaited: set[str] = set()
        self.deadline: float | None = None

    def close(self, names: Iterable[str], now: float) -> None:
        """Wait for the load assignments ``names``."""
        if self._hold_s <= 0:
            return
        self._awaited.update(names)
        if self._awaited and self.deadline is None:
            self.deadline = now + self._hold_s

    def acknowledged(self, names: Iterable[str]) -> None:
        """The client has these load assignments."""
        if self._awaited:
            self._awaited.difference_update(names)
            if not self._awaited:
                self.deadline = None

    def closed(self, now: float) -> bool:
        """Whether routes have to wait."""
        if self.deadline is not None and now >= self.deadline:
            self._awaited.clear()
            self.deadline = None
        return bool(self._awaited)
