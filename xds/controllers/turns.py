"""Which objects' conditions are written next: what matters at once, what only follows proxies when it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xds.controllers.conditions import LIVE, REJECTED, Conditions, Json, read, says
from xds.model.refs import ObjectRef
from xds.slices import Slices

OBJECTS_A_ROUND: Final = 20

# What only follows the coming and going of proxies must last: one new pod is one more proxy for every object of the
# mesh, and behind with all for a moment; when control planes restart, all proxies are.
_LASTS_S: Final = 5.0
_LASTS_AT_FIRST_S: Final = 20.0
_AGAIN_S: Final = 1.0
_OBJECTS_A_SLICE: Final = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an object is to say; ``token`` is another where the API's object may be."""

    conditions: Conditions
    token: str = ""


class Turns:
    """What has been written, and whose turn it is. ``now`` is in seconds, of a clock that never goes back.

    ``told`` are the conditions of ours that the API server has in the beginning.
    """

    def __init__(self, told: Mapping[ObjectRef, list[Json]], now: float) -> None:
        self._began = now
        self._told = dict(told)
        self._written: dict[ObjectRef, Wanted] = {}
        self._at: dict[ObjectRef, float] = {}
        self._differs: dict[ObjectRef, float] = {}  # since when it is to say something else
        self._not_before: dict[ObjectRef, float] = {}

    def due(self, wanted: Mapping[ObjectRef, Wanted], now: float) -> Slices[list[ObjectRef]]:
        """The objects to be looked at now, what matters most first; at most ``OBJECTS_A_ROUND``."""
        for known in (self._told, self._written, self._at, self._differs, self._not_before):
            for ref in known.keys() - wanted.keys():
                del known[ref]
        found, lasts_s = [], _LASTS_S if now - self._began > _LASTS_AT_FIRST_S else _LASTS_AT_FIRST_S
        for number, (ref, each) in enumerate(wanted.items()):
            if ref in self._told:
                self._written[ref] = _in_words_of(each, self._told.pop(ref))
            if self._is_written(ref, each):
                self._differs.pop(ref, None)
            elif self._not_before.get(ref, now) <= now:
                lasts = now - self._differs.setdefault(ref, now) >= lasts_s
                urgent, last = is_urgent(self._written.get(ref), each), self._at.get(ref)
                if (urgent or lasts) and (last is None or now - last >= _AGAIN_S):
                    found.append((not urgent, last or 0.0, ref))
            if number % _OBJECTS_A_SLICE == 0:
                yield
        return [ref for _, _, ref in sorted(found)[:OBJECTS_A_ROUND]]

    def says(self, ref: ObjectRef, wanted: Wanted, now: float) -> None:
        """The object says that from now on. What is not among it stays as it was."""
        before, types = self._written.get(ref), {each.type for each in wanted.conditions}
        kept = tuple(each for each in before.conditions if each.type not in types) if before is not None else ()
        self._written[ref] = Wanted((*wanted.conditions, *kept), wanted.token)
        self._at[ref] = now

    def postpone(self, ref: ObjectRef, until: float) -> None:
        """Do not look at an object before then."""
        self._not_before[ref] = until

    def _is_written(self, ref: ObjectRef, wanted: Wanted) -> bool:
        known = self._written.get(ref)
        return known is not None and known.token == wanted.token and set(wanted.conditions) <= set(known.conditions)


def _in_words_of(wanted: Wanted, found: Iterable[Json]) -> Wanted:
    """What conditions of the API say: those of ``wanted`` where they say the same."""
    ours = {each.type: each for each in wanted.conditions}
    told = []
    for each in found:
        mine = ours.get(each["type"])
        told.append(mine if mine is not None and says(each, mine, mine.generation) else read(each))
    return Wanted(tuple(told), wanted.token)


def is_urgent(known: Wanted | None, wanted: Wanted) -> bool:
    """Whether more has changed than how many proxies there are, and how many of them are behind."""
    before = {each.type: each for each in known.conditions} if known is not None else {}
    for each in wanted.conditions:
        was = before.get(each.type)
        if was is None or was.generation != each.generation:
            return True
        if not each.type.endswith(LIVE):
            if was != each:
                return True
        elif (each.true and not was.true) or (each.reason == REJECTED) != (was.reason == REJECTED):
            return True
    return known is not None and known.token != wanted.token
