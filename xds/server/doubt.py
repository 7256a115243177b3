"""The resources of a rejected response, sent again in small ones until each has been acknowledged or is known to be
bad.

A NACK does not name its resource, and Envoy applies the rest in part, without counting it as held (envoy-facts 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xds.server.batch import Batch
from xds.wire.resource import Resource, find
from xds.wire.type_urls import VIRTUAL_HOST

# Up to so many doubtful resources go one by one at once; more are halved first, so that one bad in a thousand costs
# 20 responses and not 1000.
_SINGLY: Final = 8

# Types whose resources can be at odds with each other (two virtual hosts, one domain): one that is refused while others
# are still in doubt is tried once more behind them.
_AT_ODDS: Final = frozenset({VIRTUAL_HOST})


class Doubt:
    """Which names of one type on one stream are in doubt: ``names``; ``waiting``: those to be sent, by response.

    ``before`` is what the client was last brought to of them before they came into doubt.
    """

    __slots__ = ("_at_odds", "_retried", "before", "names", "waiting")

    def __init__(self, type_url: str) -> None:
        self.names: set[str] = set()
        self.waiting: list[tuple[str, ...]] = []
        self.before: dict[str, Resource] = {}
        self._at_odds = type_url in _AT_ODDS
        self._retried: set[tuple[str, str]] = set()

    def next(self) -> tuple[str, ...]:
        """The names that the next response is to hold, no longer waiting but still in doubt."""
        return self.waiting.pop(0)

    def raise_for(self, batch: Batch) -> None:
        """Doubt all resources of a rejected ``batch``."""
        names = sorted(resource.name for resource in batch.resources)
        self.names.update(names)
        for name in names:
            before = find(batch.prior, name)
            if before is not None:
                self.before.setdefault(name, before)
        if len(names) <= _SINGLY:
            self.waiting += [(name,) for name in names]
        else:
            middle = len(names) // 2
            self.waiting += [tuple(names[:middle]), tuple(names[middle:])]

    def try_again(self, resource: Resource) -> bool:
        """Whether a resource that was refused alone gets a second chance: it may have been at odds with another."""
        key = (resource.name, resource.version)
        if not self._at_odds or key in self._retried or not self.names - {resource.name}:
            return False
        self._retried.add(key)
        self.names.add(resource.name)
        self.waiting.append((resource.name,))
        return True

    def clear(self, names: Iterable[str]) -> None:
        """No longer doubt ``names``."""
        self.names.difference_update(names)
        if not self.names:
            self.waiting.clear()
            self.before.clear()
            self._retried.clear()
            return
        self.waiting = [left for each in self.waiting if (left := self._doubted(each))]

    def _doubted(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.names)
