"""A source whose objects are kept on disk, for a start while it is away: what it held last stands in for it then.

It is all or nothing: without one policy the rest would mean something else. Secrets are never kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from xds import __version__, private_file
from xds.decoders.shape.stored import Entry, NotTheSame, entry, read_back
from xds.events import Event
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.slices import Slices, in_slices
from xds.sources.changes import AuthoredObject, Replaced, Source, Transaction

log = structlog.get_logger()

_PATIENCE_S: Final = 15.0
"""How long a source that does not answer at all is waited for."""

_LOOK_S: Final = 0.5
_WRITE_S: Final = 30.0
_LARGEST_BYTES: Final = 256 * 1024 * 1024
_ENTRIES_A_SLICE: Final = 8


class _File(msgspec.Struct, frozen=True):
    version: str
    objects: list[Entry]


class Stored:
    """``source``, and its objects in the file of ``path``. ``away`` says whether it does not answer at all."""

    def __init__(self, source: Source, path: Path, away: Callable[[], bool]) -> None:
        self._source = source
        self._path = path
        self._away = away
        self._objects: dict[ObjectRef, AuthoredObject] = {}
        self._news = asyncio.Event()
        self.stands_in = False
        """Whether what was kept is in force, as the source has said nothing yet."""

    @property
    def name(self) -> str:
        """What the source is called."""
        return self._source.name

    def health(self) -> object:
        """How well the source is being read, where it tells."""
        told = getattr(self._source, "health", None)
        return None if told is None else told()

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """The place of a field, as exactly as the source can tell."""
        return self._source.locate(at, origin)

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """What the source says; before that what it held last, where it is away when this begins."""
        inner = self._source.changes()
        first = asyncio.ensure_future(anext(inner))
        keeping = asyncio.create_task(self._keep(), name=f"keeping of {self.name}")
        try:
            kept = await self._instead_of(first)
            if kept is not None:
                self.stands_in = True
                yield kept
            change = await first
            self.stands_in = False
            while True:
                self._note(change)
                yield change
                change = await anext(inner)
        except StopAsyncIteration:
            return
        finally:
            for task in (first, keeping):
                task.cancel()
            await asyncio.gather(first, keeping, return_exceptions=True)
            await inner.aclose()

    async def _instead_of(self, first: asyncio.Future[Transaction]) -> Replaced | None:
        """What was kept, when the source has been away for so long; None when it speaks."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while not first.done():
            if not self._away():
                until = loop.time() + _PATIENCE_S
            elif loop.time() >= until:
                return await asyncio.to_thread(self._read)
            await asyncio.wait([first], timeout=_LOOK_S)
        return None

    def _note(self, change: Transaction) -> None:
        if isinstance(change, Replaced):
            gone = self._objects.keys() - {each.ref for each in change.objects} - change.kept
            upserts = change.objects
        else:
            gone, upserts = set(change.deletes), change.upserts
        for ref in gone:
            self._objects.pop(ref, None)
        self._objects.update((each.ref, each) for each in upserts)
        self._news.set()

    async def _keep(self) -> None:
        """Have the file hold what the source does, for ever; not more often than need be."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                entries = await in_slices(self._entries())
                await asyncio.to_thread(self._write, entries)
            except (NotTheSame, OSError) as error:
                log.warning(Event.SOURCE_NOT_KEPT, source=self.name, error=str(error))
            await asyncio.sleep(_WRITE_S)

    def _entries(self) -> Slices[list[Entry]]:
        found: list[Entry] = []
        for count, each in enumerate(list(self._objects.values())):
            kept = entry(each)
            if kept is not None:
                found.append(kept)
            if count % _ENTRIES_A_SLICE == 0:
                yield
        return found

    def _write(self, entries: list[Entry]) -> None:
        text = msgspec.json.encode(_File(__version__, entries))
        if len(text) > _LARGEST_BYTES:
            raise OSError(f"{len(text)} bytes are more than are kept")
        private_file.write(self._path, text)

    def _read(self) -> Replaced | None:
        """What the file has; None where it has nothing that this version can use."""
        try:
            if self._path.stat().st_size > _LARGEST_BYTES:
                return None
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if found.version != __version__:
                return None
            objects = tuple(read_back(each) for each in found.objects)
        except FileNotFoundError:
            return None
        except (OSError, KeyError, msgspec.MsgspecError) as error:
            log.warning(Event.SOURCE_NOT_READ_BACK, source=self.name, error=str(error))
            return None
        log.warning(Event.SOURCE_STOOD_IN, source=self.name, objects=len(objects))
        return Replaced(self.name, objects)


def any_stands_in(sources: Iterable[Source]) -> bool:
    """Whether what was kept stands in for any of these."""
    return any(isinstance(each, Stored) and each.stands_in for each in sources)
