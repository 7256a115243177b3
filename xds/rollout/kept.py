"""The last good objects of rollouts, in a file: a restart must not let through what was held back."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from xds import private_file
from xds.decoders.shape.stored import Entry, NotTheSame, entry, read_back
from xds.events import Event
from xds.model.refs import ObjectRef
from xds.sources.changes import AuthoredObject

log = structlog.get_logger()

_LARGEST_BYTES: Final = 64 * 1024 * 1024


class _Line(msgspec.Struct, frozen=True):
    """An object that is held back: the hash of what it is to be, its last good version, why it went back if it did."""

    ref: tuple[str, str, str, str]
    digest: str
    good: Entry | None
    aborted: str


class Kept(msgspec.Struct, frozen=True):
    """What is kept of an object that is held back: ``digest`` is of what it is to be, ``aborted`` why it is not."""

    digest: str
    good: AuthoredObject | None
    aborted: str


def digest_of(found: AuthoredObject | None) -> str:
    """The hash of an object's content; empty for one that is gone. Errors: NotTheSame."""
    made = None if found is None else entry(found)
    if made is None:
        return ""
    return hashlib.sha256(msgspec.json.encode(made.struct, order="deterministic")).hexdigest()


def version_of(found: AuthoredObject | None) -> str:
    """By what control planes tell versions of an object apart: its content, identity and generation."""
    if found is None:
        return "gone"
    try:
        return digest_of(found)[:32]
    except NotTheSame:
        return f"{found.struct.metadata.uid}.{found.generation}"


def lines(
    held: Mapping[ObjectRef, tuple[AuthoredObject | None, AuthoredObject | None, str]], most_bytes: int, of_each: int
) -> tuple[bytes, tuple[ObjectRef, ...]]:
    """These as they are kept, compressed; and those for which there was no room: ``of_each`` namespace, or in all.

    Shape: each is what it is to be, what it was, and why that came back. Units: bytes before they are compressed.
    """
    found, left, taken, whole = [], [], dict[str, int](), 0
    for ref, each in sorted(held.items()):
        try:
            line = msgspec.json.encode(_line(ref, *each))
        except NotTheSame:
            left.append(ref)
            continue
        of_namespace = taken.get(ref.namespace, 0) + len(line)
        if of_namespace > of_each or whole + len(line) > most_bytes:
            left.append(ref)
            continue
        taken[ref.namespace], whole = of_namespace, whole + len(line)
        found.append(msgspec.Raw(line))
    return gzip.compress(msgspec.json.encode(found), mtime=0), tuple(left)


def of_lines(packed: bytes) -> dict[ObjectRef, Kept]:
    """What ``lines`` has made. Errors: OSError, EOFError, zlib.error, ValueError, KeyError, msgspec.MsgspecError."""
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        text = file.read(_LARGEST_BYTES)
    return _read(text)


def _read(text: bytes) -> dict[ObjectRef, Kept]:
    return {
        ObjectRef(*each.ref): Kept(each.digest, read_back(each.good) if each.good else None, each.aborted)
        for each in msgspec.json.decode(text, type=list[_Line])
    }


class KeptObjects:
    """The last good objects in ``path``; without one, or where it cannot be read or written, nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = b"[]"

    def keep(self, held: Mapping[ObjectRef, tuple[AuthoredObject | None, AuthoredObject | None, str]]) -> None:
        """Have the file hold these: what each is to be, what it was, why that came back. Blocks."""
        if self._path is None:
            return
        try:
            text = msgspec.json.encode([_line(ref, *each) for ref, each in sorted(held.items())])
            if text == self._known:
                return
            private_file.write(self._path, text)
            self._known = text
        except (OSError, NotTheSame) as error:
            log.warning(Event.HELD_NOT_KEPT, path=str(self._path), error=str(error))

    def read(self) -> dict[ObjectRef, Kept]:
        """What the file has; nothing where it has nothing that this version can use."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            if self._path.stat().st_size > _LARGEST_BYTES:
                raise ValueError("is too large")
            self._known = self._path.read_bytes()
            return _read(self._known)
        except (OSError, ValueError, KeyError, msgspec.MsgspecError) as error:
            log.warning(Event.HELD_NOT_KEPT, path=str(self._path), error=str(error))
            return {}


def _line(ref: ObjectRef, new: AuthoredObject | None, good: AuthoredObject | None, aborted: str) -> _Line:
    kept: Any = None if good is None else entry(good)
    return _Line((ref.group, ref.kind, ref.namespace, ref.name), digest_of(new), kept, aborted)
