"""What is held of one kind, by name; and whether a list that lacks much of it is believed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from xds.model.refs import ObjectRef

CONFIRM_S: Final = 5.0
"""How much later a second list must lack objects, too, before they go.

Until then endpoints that are gone may still be tried (outlier detection and retries are for that); a mesh emptied by an
API server that has not read its own store yet, or by a balancer that led to another one, could not be served at all.
"""

CONFIRM_NOT_SERVED_S: Final = 30.0
"""The same when the API does not have the kind any more: deleting a CRD takes its objects away by events before."""

_FEW: Final = 5


def doubtful(held: int, listed: int) -> bool:
    """Whether a list of so many objects looks wrong, given what was held: nothing at all, or less than half of many."""
    if not listed:
        return held > 0
    return held >= _FEW and 2 * listed < held


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A list that was not believed: when it was had, what it lacked, how much was on it."""

    since_s: float
    missing: frozenset[ObjectRef]
    listed: int


class Held:
    """Names and resource versions of the objects of one kind."""

    def __init__(self) -> None:
        self.versions: dict[ObjectRef, str] = {}
        self._doubt: _Doubt | None = None

    @property
    def doubted(self) -> int:
        """How many objects are kept although the last list lacked them."""
        return len(self._doubt.missing) if self._doubt is not None else 0

    def put(self, ref: ObjectRef, version: str) -> None:
        """The object is there."""
        self.versions[ref] = version
        if self._doubt is not None and ref in self._doubt.missing:
            self._doubt = _Doubt(self._doubt.since_s, self._doubt.missing - {ref}, self._doubt.listed + 1)

    def drop(self, ref: ObjectRef) -> bool:
        """The object is gone, as an event says; whether it was held."""
        if self._doubt is not None and ref in self._doubt.missing:
            self._doubt = _Doubt(self._doubt.since_s, self._doubt.missing - {ref}, self._doubt.listed)
        return self.versions.pop(ref, None) is not None

    def settle(self, listed: Collection[ObjectRef], now_s: float, confirm_s: float = CONFIRM_S) -> list[ObjectRef]:
        """What is gone for good, now that a list has been had; the rest of what it lacks is doubted.

        Units: ``now_s`` is on any clock that only goes forward.
        """
        missing = frozenset(self.versions.keys() - listed)
        before = self._doubt
        if before is None or not missing & before.missing:
            gone = self._judged(len(self.versions), missing, len(listed), now_s)
        elif now_s - before.since_s < confirm_s:
            gone = frozenset()
            self._doubt = _Doubt(before.since_s, missing, min(before.listed, len(listed)))
        else:
            gone = self._judged(before.listed, missing, len(listed), now_s)
        for ref in gone:
            del self.versions[ref]
        return sorted(gone)

    def _judged(self, held: int, missing: frozenset[ObjectRef], listed: int, now_s: float) -> frozenset[ObjectRef]:
        """All that is missing, when the list is believed; else nothing, and it is doubted."""
        if missing and doubtful(held, listed):
            self._doubt = _Doubt(now_s, missing, listed)
            return frozenset()
        self._doubt = None
        return missing
