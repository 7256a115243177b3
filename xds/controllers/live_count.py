"""How many proxies use an object as it is now, of those that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_REJECTIONS: Final = 5
"""So many rejections of one object are told; the counts say how many proxies are behind."""


@dataclass(frozen=True, slots=True, order=True)
class RejectedBy:
    """A proxy (``pod.namespace``) that has refused a resource made from the object, in Envoy's words."""

    proxy: str
    reason: str
    resource: str


@dataclass(frozen=True, slots=True)
class LiveCount:
    """``total`` connected proxies have configuration made from an object; ``live`` have acknowledged all of it.

    ``rejections`` are sorted, and at most ``MOST_REJECTIONS``; ``generation`` is the object's that the count is of, 0
    where that is not known.
    """

    live: int
    total: int
    rejections: tuple[RejectedBy, ...] = ()
    generation: int = 0

    def __add__(self, other: LiveCount) -> LiveCount:
        """The counts of two control planes together: each knows its own proxies."""
        rejections = tuple(sorted((*self.rejections, *other.rejections))[:MOST_REJECTIONS])
        generation = min(self.generation, other.generation)
        return LiveCount(self.live + other.live, self.total + other.total, rejections, generation)

    def __str__(self) -> str:
        return f"Live {self.live} of {self.total}"


NOWHERE: Final = LiveCount(0, 0)
"""The count of an object that no proxy has anything of."""
