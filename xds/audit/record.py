"""What was refused, kept within bounds: the latest refusals, and counts by who, whom and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from xds.audit.refusal import Blame, Kind, Refusal

LATEST: Final = 10_000
"""Refusals that are kept: about 10 MB. The oldest go first."""

MAX_COUNTS: Final = 2_000
"""Counts that are kept apart; what comes after shares one."""

OTHERS: Final = "others"


class CountKey(NamedTuple):
    """What is counted together; ``others`` for all that came when there were counts enough."""

    source: str
    destination: str
    policies: tuple[Blame, ...]
    kind: Kind | None


class Numbered(NamedTuple):
    """A refusal and its number, which is higher than that of all before."""

    number: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Count:
    """How often it happened, from the first time to the last; ``example`` is the last."""

    times: int
    first: datetime
    last: datetime
    example: Refusal


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which refusals are asked for; an empty text, None and ``after`` 0 mean all. Of these the ``last`` so many."""

    source: str = ""
    destination: str = ""
    kind: Kind | None = None
    since: datetime | None = None
    after: int = 0
    last: int = 1000
    request_id: str = ""

    def has(self, each: Refusal) -> bool:
        """Whether that is one of them."""
        return (
            (not self.source or each.source.is_called(self.source))
            and (not self.destination or each.destination.is_called(self.destination))
            and self.kind in (None, each.kind)
            and self.request_id in ("", each.request_id)
            and (self.since is None or each.when >= self.since)
        )


class Record:
    """The latest refusals and the counts of all."""

    def __init__(self) -> None:
        self._latest: deque[Numbered] = deque(maxlen=LATEST)
        self._counts: dict[CountKey, Count] = {}
        self.number = 0
        self.dropped = 0

    def add(self, refusal: Refusal) -> CountKey:
        """Keep it and count it; answers what it was counted as."""
        self.number += 1
        self._latest.append(Numbered(self.number, refusal))
        key = CountKey(refusal.source.label, refusal.destination.label, refusal.policies, refusal.kind)
        if key not in self._counts and len(self._counts) >= MAX_COUNTS:
            key = CountKey(OTHERS, OTHERS, (), None)
        known = self._counts.get(key)
        if known is None:
            self._counts[key] = Count(1, refusal.when, refusal.when, refusal)
        else:
            self._counts[key] = replace(known, times=known.times + 1, last=refusal.when, example=refusal)
        return key

    def drop(self, entries: int) -> None:
        """Count what was not looked at."""
        self.dropped += entries

    def latest(self, wanted: Wanted) -> list[Numbered]:
        """Those that are asked for, the oldest first."""
        found: list[Numbered] = []
        for each in reversed(self._latest):
            if each.number <= wanted.after or len(found) == wanted.last:
                break
            if wanted.has(each.refusal):
                found.append(each)
        return found[::-1]

    def lost(self, after: int) -> int:
        """How many with a number above ``after`` are not kept any more."""
        oldest = self._latest[0].number if self._latest else self.number + 1
        return max(0, oldest - 1 - after)

    def counts(self) -> Iterable[tuple[CountKey, Count]]:
        """All counts, the highest first."""
        return sorted(self._counts.items(), key=lambda item: (-item[1].times, item[0].source, item[0].destination))
