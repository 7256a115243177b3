"""Protobuf descriptors out of an Envoy binary and out of ``*_pb2.py`` files, neither of which is run."""

from __future__ import annotations

import ast
import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

_NAME_END: Final = b".proto"
_NAME_END_THEN_PACKAGE: Final = _NAME_END + b"\x12"
_LONGEST_NAME: Final = 300
_SERIALIZED: Final = re.compile(r"AddSerializedFile\((b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\")\)", re.DOTALL)
_NAME_TAG: Final = 0x0A
_LENGTH_DELIMITED: Final = 2
# FileDescriptorProto: package, dependency, messages, enums, services, extensions, options, source info, syntax are
# length-delimited; public and weak dependencies and the edition are varints.
_DELIMITED_FIELDS: Final = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12})
_VARINT_FIELDS: Final = frozenset({10, 11, 14})


def binary_files(path: Path) -> dict[str, FileDescriptorProto]:
    """Every file descriptor embedded in the C++ binary at ``path``, by file name.

    Source: protobuf's C++ generator stores each FileDescriptorProto as one contiguous string. Where it ends is not
    stored: it is where the fields of the next string, or padding, begin.
    """
    files: dict[str, FileDescriptorProto] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as binary:
        at = binary.find(_NAME_END_THEN_PACKAGE)
        while at >= 0:
            named = at + len(_NAME_END)
            start = _start(binary, named)
            found = _parse(binary[start : _end(binary, named)]) if start is not None else None
            if found is not None:
                files.setdefault(found.name, found)
            at = binary.find(_NAME_END_THEN_PACKAGE, named)
    return files


def python_files(folder: Path) -> dict[str, FileDescriptorProto]:
    """Every file descriptor in the ``*_pb2.py`` below ``folder``, by file name; nothing is imported."""
    files: dict[str, FileDescriptorProto] = {}
    for path in sorted(folder.rglob("*_pb2.py")):
        match = _SERIALIZED.search(path.read_text())
        found = _parse(ast.literal_eval(match.group(1))) if match else None
        if found is not None:
            files[found.name] = found
    return files


def messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """The full name (without a leading dot) and the descriptor of each message of ``file``, nested ones too."""
    yield from _nested(file.package, file.message_type)


def fields(files: Mapping[str, FileDescriptorProto]) -> dict[str, frozenset[str]]:
    """Per message of ``files``, by full name, the names of its fields; map entries left out."""
    return {
        name: frozenset(field.name for field in message.field)
        for file in files.values()
        for name, message in messages(file)
        if not message.options.map_entry
    }


def _nested(scope: str, found: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in found:
        name = f"{scope}.{message.name}" if scope else message.name
        yield name, message
        yield from _nested(name, message.nested_type)


def _start(binary: mmap.mmap, named: int) -> int | None:
    """Where the descriptor begins whose name ends at ``named``; None when no name with its length ends there."""
    before = binary[max(0, named - _LONGEST_NAME) : named]
    for length in range(len(_NAME_END) + 1, len(before) - 2):
        head = bytes((_NAME_TAG, length)) if length < 0x80 else bytes((_NAME_TAG, length & 0x7F | 0x80, length >> 7))
        if before[: len(before) - length].endswith(head):
            return named - length - len(head)
    return None


def _end(binary: mmap.mmap, at: int) -> int:
    """The first position after ``at`` that no field of a FileDescriptorProto (other than its name) begins at."""
    while at < len(binary):
        tag = binary[at]
        number, wire_type = tag >> 3, tag & 7
        if number in _VARINT_FIELDS and wire_type == 0:
            _, at = _varint(binary, at + 1)
        elif number in _DELIMITED_FIELDS and wire_type == _LENGTH_DELIMITED:
            length, start = _varint(binary, at + 1)
            at = start + length
        else:
            break
    return at


def _varint(binary: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = binary[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _parse(encoded: bytes) -> FileDescriptorProto | None:
    try:
        return FileDescriptorProto.FromString(encoded)
    except DecodeError:
        return None
