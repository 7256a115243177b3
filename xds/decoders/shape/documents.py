"""Files cut into documents: each with its place and a digest, none parsed yet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef, Origin

SIZE_LIMIT_BYTES = 16 * 1024 * 1024
"""The largest manifest file that is read, unless settings say otherwise: 10,000 objects are about 9 MiB."""

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(r"(?>[ \t\r\n]+|#[^\n]*|(?:---|\.\.\.)(?=[ \t\r\n]|\Z)|^%[^\n]*)*+", re.MULTILINE)
_LEAD = re.compile(r"(?>(?:---)?[ \t]*(?:#[^\n]*)?\r?\n)*+")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. ``line`` is that of its first field, from 1; ``digest`` is of the text alone."""

    file: str
    line: int
    text: str
    digest: bytes

    @property
    def is_json(self) -> bool:
        """Whether its file's name says JSON."""
        return self.file.endswith(".json")


def file_ref(file: str) -> ObjectRef:
    """How findings name a file that has no object to name."""
    return ObjectRef("", "File", "", file)


def file_problem(file: str, code: str, message: str, line: int = 0) -> Problem:
    """A finding about a file as a whole."""
    return Problem(FieldRef(file_ref(file)), code, message, origin=Origin(file, line))


def text_of(content: bytes, file: str, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> str | Problem:
    """The text of a file; or the Problem file.too-large or file.binary."""
    if len(content) > size_limit_bytes:
        return too_large(file, len(content), size_limit_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return file_problem(file, "file.binary", "is no text in UTF-8, so it holds no manifests", line)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return file_problem(file, "file.binary", "has NUL bytes, so it is no text and holds no manifests", line)
    return text


def too_large(file: str, size_bytes: int, size_limit_bytes: int) -> Problem:
    """The finding about a file beyond the limit."""
    size, limit = size_bytes / 1048576, size_limit_bytes / 1048576
    message = f"is {size:.1f} MiB, more than the {limit:g} MiB that are read; split it, or raise manifest_size_limit"
    return file_problem(file, "file.too-large", message)


def split(text: str, file: str) -> Iterator[Document]:
    """The documents in ``text`` that hold anything, in order. A JSON file is one document."""
    starts = [0] if file.endswith(".json") else [0, *(match.start() for match in _SEPARATOR.finditer(text))]
    line, counted = 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if _NOTHING.fullmatch(text, start, end):
            continue
        lead = _LEAD.match(text, start, end)
        first = lead.end() if lead else start
        line += text.count("\n", counted, first)
        counted = first
        part = text[first:end]
        yield Document(file, line, part, digest(part))


def digest(text: str) -> bytes:
    """A content hash of ``text``."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
