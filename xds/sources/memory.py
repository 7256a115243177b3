"""Objects handed over in Python: for programs that use Plait as a library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import AuthoredObject, Changed, Replaced, Transaction


class MemorySource:
    """Objects that a program adds and removes; each call is one transaction."""

    def __init__(self, name: str = "memory", objects: Iterable[AuthoredObject] = ()) -> None:
        self.name = name
        self._objects = {found.ref: found for found in objects}
        self._readers: list[asyncio.Queue[Transaction]] = []

    def apply(self, upserts: Iterable[AuthoredObject] = (), deletes: Iterable[ObjectRef] = ()) -> None:
        """Adds or changes ``upserts`` and removes ``deletes``, at once; from the event loop's thread only."""
        change = Changed(self.name, tuple(upserts), tuple(deletes))
        for ref in change.deletes:
            self._objects.pop(ref, None)
        self._objects |= {found.ref: found for found in change.upserts}
        for reader in self._readers:
            reader.put_nowait(change)

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """One Replaced with what is there, then one Changed per call of ``apply``; ends only when cancelled."""
        reader: asyncio.Queue[Transaction] = asyncio.Queue()
        self._readers.append(reader)
        try:
            yield Replaced(self.name, tuple(self._objects.values()))
            while True:
                yield await reader.get()
        finally:
            self._readers.remove(reader)

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: memory has no lines."""
        return origin
