"""What has changed in a cluster since it was last taken: the newest of each object, so no more than there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from xds.decoders.shape.api_objects import Read
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.sources.changes import AuthoredObject, Changed, Replaced


class Gathered:
    """Changes of all kinds, from the event loop's thread only."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._objects: dict[ObjectRef, AuthoredObject | None] = {}
        self._unreadable: set[ObjectRef] = set()
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._standing: set[str] = set()
        self._news = asyncio.Event()
        self._began: float | None = None

    def read(self, read: Read) -> None:
        """An object is there, readable or not; nothing is taken away by it."""
        ref = read.named.ref
        self._began = self._began or time.monotonic()
        if read.found is not None:
            self._objects[ref] = read.found
        if read.unreadable:
            self._unreadable.add(ref)
        else:
            self._unreadable.discard(ref)
        if read.problems or self._standing:
            self.note(str(ref), read.problems)
        self._news.set()

    def gone(self, ref: ObjectRef) -> None:
        """An object is no more."""
        self._began = self._began or time.monotonic()
        self._objects[ref] = None
        self._unreadable.discard(ref)
        if self._standing:
            self.note(str(ref), ())
        self._news.set()

    def note(self, place: str, problems: Iterable[Problem]) -> None:
        """What is wrong at a place now, instead of what was."""
        found = tuple(problems)
        if found or place in self._standing:
            self._problems[place] = found
            self._news.set()
        if found:
            self._standing.add(place)
        else:
            self._standing.discard(place)

    def woken(self) -> None:
        """Let who waits have a look."""
        self._news.set()

    async def news(self) -> None:
        """Return when something may have changed."""
        await self._news.wait()
        self._news.clear()

    def all(self) -> Replaced:
        """All that there is, at first."""
        objects = tuple(found for found in self._objects.values() if found is not None)
        kept = frozenset(self._unreadable)
        problems = {place: found for place, found in self._problems.items() if found}
        return Replaced(self._source, objects, kept, problems, self._clear())

    def changed(self) -> Changed | None:
        """What is different since it was last asked; None when nothing is."""
        if not self._objects and not self._problems:
            return None
        upserts = tuple(found for found in self._objects.values() if found is not None)
        deletes = tuple(ref for ref, found in self._objects.items() if found is None)
        problems = self._problems
        return Changed(self._source, upserts, deletes, problems, self._clear())

    def _clear(self) -> float | None:
        """Begin anew; when the first of what was gathered came."""
        began, self._began = self._began, None
        self._objects = {}
        self._unreadable = set()
        self._problems = {}
        return began
