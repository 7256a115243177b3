"""One generation of the past as a value that grows until it is published: objects, resources, proxies, answers."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from xds.history.former import Content, manifest
from xds.model.refs import ObjectRef, Origin
from xds.planner.fields import field_changes

MOST_CONTENTS: Final = 1000
"""So many objects of one generation are kept."""

_MOST_OBJECTS: Final = 50
_MOST_STAGES: Final = 50
_MOST_REFUSED: Final = 10
_MOST_TEXT: Final = 1000
_LATEST: Final = 5
_MOST_FIELDS: Final = 5
_QUIET: Final = frozenset({"EndpointSlice", "Pod", "Node", "WorkloadEntry", "Demand", "KeySet", "GatewayName", "Lease"})

Json = dict[str, Any]


@dataclass(slots=True)
class Changed:
    """An object that a generation made other than it was."""

    ref: ObjectRef
    what: str
    origin: Origin | None
    generation: int
    content: Content | None = field(default=None, repr=False)
    _fields: list[str] | None = None

    def plain(self, *, whole: bool = False) -> Json:
        """As the page has it; ``whole`` with its content."""
        found: Json = {
            **self.ref.plain(),
            "what": self.what,
            "quiet": self.ref.kind in _QUIET,
            "origin": str(self.origin) if self.origin is not None else "",
            "resource_version": self.origin.resource_version if self.origin is not None else "",
            "generation": self.generation,
            "fields": self.fields,
        }
        return {**found, **self._sides()} if whole else found

    @property
    def fields(self) -> list[str]:
        """Some of the fields that differ."""
        if self._fields is None:
            content = self.content
            before, after = (content.before, content.after) if content is not None else (None, None)
            if before is None or after is None:
                return []
            every = field_changes(manifest(before), manifest(after))
            more = [f"{len(every) - _MOST_FIELDS} more"] if len(every) > _MOST_FIELDS else []
            self._fields = [*map(str, every[:_MOST_FIELDS]), *more]
        return self._fields

    def _sides(self) -> Json:
        content = self.content
        sides = (content.before, content.after) if content is not None else (None, None)
        if content is None or content.dropped:  # in this order: it may be dropped while this is read in a thread
            return {"kept": False, "before": None, "after": None}
        before, after = (None if each is None else manifest(each) for each in sides)
        return {"kept": True, "before": before, "after": after}


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the work on a generation. Units: seconds of the monotonic clock."""

    name: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Answered:
    """When the proxy of a group had answered for all of a generation. Units: seconds of the monotonic clock."""

    group: str
    at: float


@dataclass(slots=True)
class Generation:
    """One generation; ``told`` is when its first change was told. Units: seconds of the monotonic clock."""

    number: int = 0
    at: datetime | None = None
    told: float | None = None
    read: Stage | None = None
    """What sources took to read its objects, from the first to the last, where they say."""

    published: float | None = None
    settled: float | None = None
    """When nobody was waited for any more."""

    stages: deque[Stage] = field(default_factory=lambda: deque(maxlen=_MOST_STAGES))
    first: Answered | None = None
    latest: deque[Answered] = field(default_factory=lambda: deque(maxlen=_LATEST))
    responses: int = 0
    sent_bytes: int = 0
    refused: list[str] = field(default_factory=list)
    """What of it is sent to nobody, as it was judged bad: names and reasons, some."""

    more_refused: int = 0
    took_s: float | None = None
    objects: dict[ObjectRef, Changed] = field(default_factory=dict)
    resources: dict[str, int] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    proxies: int = 0
    converged: datetime | None = None
    converged_s: float | None = None
    nacks: list[Json] = field(default_factory=list)
    nacked: list[float] = field(default_factory=list)
    """When each of ``nacks`` came."""

    more_nacks: int = 0
    drains: list[Json] = field(default_factory=list)
    more_objects: int = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing has changed but what does so all the time."""
        return all(ref.kind in _QUIET for ref in self.objects)

    def answered(self, group: str) -> None:
        """The proxy of that group has answered for all of it."""
        if group in self.groups:
            self.groups.discard(group)
            last = Answered(group, time.monotonic())
            self.first = self.first or last
            self.latest.append(last)
        self.settle()

    def was_read(self, began: float, ended: float) -> None:
        """Something of it was read from then to then."""
        known = self.read or Stage("read", began, ended)
        self.read = Stage("read", min(known.began, began), max(known.ended, ended))

    def refuse(self, name: str, reason: str) -> None:
        """Something of it is sent to nobody."""
        if len(self.refused) >= _MOST_REFUSED:
            self.more_refused += 1
            return
        self.refused.append(f"{name}: {reason}"[:_MOST_TEXT])

    def settle(self) -> None:
        """Note when nobody is waited for any more, once it is published."""
        if self.number and not self.groups and self.converged is None:
            self.converged = datetime.now(UTC)
            self.settled = time.monotonic()
            self.converged_s = None if self.told is None else self.settled - self.told

    def publish(self, number: int) -> None:
        """It is served from now on. What changes all the time comes last, and is left out first."""
        self.number, self.at = number, datetime.now(UTC)
        self.published = time.monotonic()
        self.took_s = None if self.told is None else self.published - self.told
        quiet = [ref for ref in self.objects if ref.kind in _QUIET]
        listed = [*(ref for ref in self.objects if ref.kind not in _QUIET), *quiet]
        self.more_objects = max(0, len(listed) - MOST_CONTENTS)
        self.objects = {ref: self.objects[ref] for ref in listed[:MOST_CONTENTS]}
        self.settle()

    def plain(self, *, whole: bool = False) -> Json:
        """As the page has it; ``whole`` with objects' contents, and all objects."""
        listed = list(self.objects.values())
        shown = listed if whole else listed[:_MOST_OBJECTS]
        more = self.more_objects + len(listed) - len(shown)
        return {
            "generation": self.number,
            "at": _iso(self.at),
            "took_s": _seconds(self.took_s),
            "quiet": self.quiet,
            "objects": [each.plain(whole=whole) for each in shown],
            "more_objects": more,
            "resources": {kind: count for kind, count in sorted(self.resources.items()) if count},
            "proxies": self.proxies,
            "waiting": len(self.groups),
            "converged": _iso(self.converged),
            "converged_s": _seconds(self.converged_s),
            "nacks": list(self.nacks),
            "more_nacks": self.more_nacks,
            "drains": list(self.drains),
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _seconds(length: float | None) -> float | None:
    return None if length is None else round(length, 4)
