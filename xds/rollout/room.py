"""Room for what proxies tell: what one tenant invents may fill its own, not everybody's."""

from __future__ import annotations

from collections import Counter


class Room:
    """How many of a thing each namespace has: at most ``each``, and at most ``most`` in all."""

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._taken = Counter[str]()
        self._in_all = 0

    def take(self, namespace: str) -> bool:
        """Whether there was room for one more, which is taken now."""
        if self._in_all >= self._most or self._taken.get(namespace, 0) >= self._each:
            return False
        self._taken[namespace] += 1
        self._in_all += 1
        return True

    def give_back(self, namespace: str, count: int) -> None:
        """So many that were taken are gone."""
        self._in_all -= count
        self._taken[namespace] -= count
        if not self._taken[namespace]:
            del self._taken[namespace]
