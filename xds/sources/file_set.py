"""A directory of manifests as it stands: which objects it holds, which it lost, what is wrong with it. No waiting."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from xds.decoders.shape.decode import Decoded
from xds.decoders.shape.documents import SIZE_LIMIT_BYTES, Document, file_problem, split, text_of, too_large
from xds.decoders.shape.manifests import merged, moved, read_document
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.sources.changes import AuthoredObject, Changed, Replaced, Transaction
from xds.sources.store import duplicate

SUFFIXES = (".yaml", ".yml", ".json")

Signature = tuple[int, int, int]
"""What tells a changed file from an unchanged one without reading it: time of change in ns, size, inode."""

_CLOCK_STEP = timedelta(milliseconds=50)
"""Longer than a file system's clock stands still: a file changed within it may change again unseen."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read last."""

    signature: Signature | None
    """None when it was changed just before, so that an equal one at the next look would say nothing."""
    decoded: Decoded
    documents: dict[bytes, tuple[int, Decoded]]
    """By digest: the line at which the document stood and what it gave."""
    inode: int


class FileSet:
    """The objects in a directory (or in one file), kept up with by ``scan``; last good versions stay."""

    def __init__(self, root: Path, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> None:
        self.root = root
        self.name = f"files:{root}"
        self._size_limit_bytes = size_limit_bytes
        self._files: dict[str, _File] = {}
        self._current: dict[ObjectRef, AuthoredObject] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._scanned = False

    def scan(self) -> Transaction | None:
        """What is different since the last scan, as a whole at the first; None when nothing is.

        Errors: OSError when the directory cannot be listed; then nothing counts as gone.
        """
        paths = dict(_manifest_files(self.root))
        files = {file: self._read(file, signature) for file, signature in paths.items()}
        if self._scanned and files.keys() == self._files.keys() and all(files[f] is self._files[f] for f in files):
            return None
        self._files = files
        objects, kept, problems = _resolve(files, self._current)
        return self._commit(objects, kept, problems)

    def replaced(self, files: Iterable[str]) -> bool:
        """Whether each of these files is another one now under the name of one that was read, and hence whole."""
        manifests = [file for file in files if _is_manifest(Path(file).name)]
        return bool(manifests) and all(self._is_another(file) for file in manifests)

    def _is_another(self, file: str) -> bool:
        before = self._files.get(file)
        try:
            return before is not None and Path(file).stat().st_ino != before.inode
        except OSError:
            return False

    def _read(self, file: str, signature: Signature) -> _File:
        """The file as it is now; the same value as before when it is the same file."""
        before = self._files.get(file)
        if before is not None and before.signature == signature:
            return before
        settled = time.time_ns() - signature[0] > _CLOCK_STEP / timedelta(microseconds=1) * 1000
        lasting = signature if settled else None
        text = self._text(file, signature)
        if isinstance(text, Problem):
            return _File(lasting, Decoded(nameless=True, problems=(text,)), {}, signature[2])
        known = before.documents if before is not None else {}
        documents: dict[bytes, tuple[int, Decoded]] = {}
        parts: list[Decoded] = []
        for document in split(text, file):
            decoded = _decoded(document, known.get(document.digest))
            documents[document.digest] = (document.line, decoded)
            parts.append(decoded)
        return _File(lasting, merged(parts), documents, signature[2])

    def _text(self, file: str, signature: Signature) -> str | Problem:
        if signature[1] > self._size_limit_bytes:
            return too_large(file, signature[1], self._size_limit_bytes)
        try:
            with Path(file).open("rb") as opened:  # it may have grown, or be a pipe that never ends
                content = opened.read(self._size_limit_bytes + 1)
        except OSError as error:
            return file_problem(file, "file.unreadable", f"cannot be read: {error.strerror or error}")
        return text_of(content, file, self._size_limit_bytes)

    def _commit(
        self, objects: dict[ObjectRef, AuthoredObject], kept: set[ObjectRef], problems: dict[str, tuple[Problem, ...]]
    ) -> Transaction | None:
        """Makes ``objects`` current, beside the last good versions of ``kept``; returns what is different by that."""
        before, self._current = self._current, objects | {ref: self._current[ref] for ref in kept}
        old_problems, self._problems = self._problems, problems
        if not self._scanned:
            self._scanned = True
            return Replaced(self.name, tuple(objects.values()), frozenset(kept), problems)
        places = sorted({*old_problems, *problems})
        changed = Changed(
            self.name,
            tuple(found for ref, found in objects.items() if before.get(ref) is not found),
            tuple(ref for ref in before if ref not in self._current),
            {place: problems.get(place, ()) for place in places if problems.get(place) != old_problems.get(place)},
        )
        return changed if changed.upserts or changed.deletes or changed.problems else None


def _decoded(document: Document, known: tuple[int, Decoded] | None) -> Decoded:
    """What the document gives; not parsed again when its text was there before."""
    if known is None:
        return read_document(document)
    line, decoded = known
    return decoded if line == document.line else moved(decoded, document.file, document.line - line)


def _resolve(
    files: dict[str, _File], current: dict[ObjectRef, AuthoredObject]
) -> tuple[dict[ObjectRef, AuthoredObject], set[ObjectRef], dict[str, tuple[Problem, ...]]]:
    """The objects that the files give, those whose last good version must stay, and the findings by file.

    The first of two objects of one name counts, in order of file and line.
    """
    objects: dict[ObjectRef, AuthoredObject] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    kept: set[ObjectRef] = set()
    nameless: set[str] = set()
    for file in sorted(files):
        decoded = files[file].decoded
        found = list(decoded.problems)
        for each in decoded.objects:
            first = objects.setdefault(each.ref, each)
            if first is not each:
                found.append(duplicate(each, first))
        kept.update(decoded.broken)
        if decoded.nameless:
            nameless.add(file)
        if found:
            problems[file] = tuple(found)
    kept.update(ref for ref, each in current.items() if each.origin.source in nameless)
    return objects, {ref for ref in kept if ref in current and ref not in objects}, problems


def _manifest_files(root: Path) -> Iterator[tuple[str, Signature]]:
    """The manifests below ``root`` by name; hidden files, backups and folders like ``.git`` are none.

    Errors: OSError when ``root`` itself cannot be listed.
    """
    if not root.is_dir():
        yield str(root), signature(root.stat())
        return
    next(root.iterdir(), None)  # raises where os.walk would find nothing
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not _is_manifest(name):
                continue
            path = Path(folder, name)
            try:
                found = path.stat()
            except FileNotFoundError:  # gone since it was listed, or a dangling link of an editor
                continue
            if stat.S_ISREG(found.st_mode):
                yield str(path), signature(found)


def _is_manifest(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def signature(found: os.stat_result) -> Signature:
    """What differs when a file was written anew, or another was put in its place."""
    return found.st_mtime_ns, found.st_size, found.st_ino
