"""Manifests in a directory as a source: read once for ``plait analyze``, or watched for ``plait serve``."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from xds.decoders.shape.documents import SIZE_LIMIT_BYTES, Document, file_problem, split, text_of
from xds.decoders.shape.manifests import field_line
from xds.model.problem import Problem
from xds.model.refs import FieldRef, Origin
from xds.sources.changes import AuthoredObject, Changed, Replaced, Transaction
from xds.sources.file_set import FileSet

_GATHER = timedelta(milliseconds=150)
"""How long a burst of file events may go on before it is looked at."""

_QUIET = timedelta(milliseconds=30)
"""Without an event for this long, a burst is over; an editor's truncate and write are one burst."""

_GLANCE = timedelta(milliseconds=2)
"""How soon after an event is looked whether files were replaced whole, by a rename: such need not settle."""

_LOOK_AGAIN = timedelta(seconds=5)
"""How often the directory is looked at without any event: file systems exist that send none."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A directory of manifests, read once: its objects by file and line, and all that is wrong with it."""

    objects: tuple[AuthoredObject, ...]
    problems: tuple[Problem, ...]


def load(root: Path, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> Loaded:
    """The objects and findings of a directory or file, as it is now.

    Errors: none; a directory that cannot be read is the Problem source.unreadable.
    """
    try:
        change = FileSet(root, size_limit_bytes=size_limit_bytes).scan()
    except OSError as error:
        return Loaded((), (_unreadable(root, error),))
    if not isinstance(change, Replaced):
        return Loaded((), ())
    problems = tuple(problem for place in sorted(change.problems) for problem in change.problems[place])
    return Loaded(change.objects, problems)


class FileSource:
    """A watched directory of manifests; see ``FileSet`` for what a broken file does."""

    def __init__(self, root: Path, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> None:
        self._files = FileSet(root, size_limit_bytes=size_limit_bytes)
        self._root = root

    @property
    def name(self) -> str:
        """``files:DIR``."""
        return self._files.name

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Every state of the directory, for ever; ends only when cancelled.

        Yields one Replaced, then one Changed per burst of edits that makes a difference. A directory that goes
        away later is one finding more; its objects stay.
        Errors: OSError when the directory cannot be read at first.
        """
        notify, stop = _notify(self._root), threading.Event()
        began = time.monotonic()
        first = await asyncio.to_thread(self._files.scan)
        if first is not None:
            yield replace(first, began=began)
        lost = False
        try:
            while True:
                if notify is None:
                    await asyncio.sleep(_LOOK_AGAIN.total_seconds())
                    notify = _notify(self._root)
                else:
                    notify = await self._wait(notify, stop)
                began = time.monotonic()
                change, lost = await self._look(lost)
                if change is not None:
                    yield replace(change, began=began)
        finally:
            stop.set()  # the thread that waits ends by it, and the watch with the thread

    async def _wait(self, notify: RustNotify, stop: threading.Event) -> RustNotify | None:
        """Returns when the directory may be read after events, or after a while; None when the watch is broken."""
        events = await _events(notify, _GLANCE, _LOOK_AGAIN, stop)
        loop = asyncio.get_running_loop()
        until = loop.time() + _GATHER.total_seconds()
        while events and loop.time() < until and not await asyncio.to_thread(self._files.replaced, events):
            events = await _events(notify, _QUIET, _QUIET, stop)
        return notify if events is not None and self._root.exists() else None

    async def _look(self, lost: bool) -> tuple[Transaction | None, bool]:
        """What is different now, and whether the directory is out of sight."""
        try:
            change = await asyncio.to_thread(self._files.scan)
        except OSError as error:
            if lost:
                return None, True
            return Changed(self.name, problems={str(self._root): (_unreadable(self._root, error),)}), True
        if not lost:
            return change, False
        seen_again = {str(self._root): ()}
        if change is None:
            return Changed(self.name, problems=seen_again), False
        return replace(change, problems={**change.problems, **seen_again}), False

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """The line of the field in the file that ``origin`` names; ``origin`` when the file is not what it was."""
        return locate(at, origin)


def locate(at: FieldRef, origin: Origin) -> Origin:
    """The line of a field of the object that was read at ``origin``; ``origin`` when it cannot be told."""
    try:
        found = Path(origin.source).stat()
        documents = _documents(origin.source, (found.st_mtime_ns, found.st_size))
    except OSError:
        return origin
    around = bisect_right(documents, origin.line, key=lambda document: document.line)
    if not around:
        return origin
    return Origin(origin.source, field_line(at, documents[around - 1], origin.line))


@lru_cache(maxsize=2)
def _documents(file: str, _changed: tuple[int, int]) -> tuple[Document, ...]:
    """The documents of a file, kept for the next finding in it while the file stays the same. Errors: OSError."""
    content = Path(file).read_bytes()
    text = text_of(content, file, len(content))
    return () if isinstance(text, Problem) else tuple(split(text, file))


async def _events(
    notify: RustNotify, quiet: timedelta, patience: timedelta, stop: threading.Event
) -> frozenset[str] | None:
    """The files of the next burst of events, which ends when it is ``quiet``; none after ``patience``.

    None when the watch is broken.
    """
    gather, step, timeout = (int(each / timedelta(milliseconds=1)) for each in (_GATHER, quiet, patience))
    try:
        found = await asyncio.to_thread(notify.watch, gather, step, timeout, stop)
    except (OSError, RuntimeError):
        return None
    return frozenset(path for _, path in found) if isinstance(found, set) else frozenset()


def _notify(root: Path) -> RustNotify | None:
    """A watch of the directory, which takes down events from now on; None when there is nothing to watch."""
    watched = root if root.is_dir() else root.parent
    try:
        return RustNotify([os.fspath(watched)], False, False, 0, True, True)
    except (OSError, RuntimeError):
        return None


def _unreadable(root: Path, error: OSError) -> Problem:
    return file_problem(str(root), "source.unreadable", f"cannot be read: {error.strerror or error}")
