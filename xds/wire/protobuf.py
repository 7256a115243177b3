"""Protobuf's wire format by hand, where that is cheaper than a message: writing fields, looking into encoded ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5


def varint(number: int) -> bytes:
    """``number``, which is not negative, in base 128, least significant group first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A field of length-delimited kind: string, bytes, or message."""
    return varint(number << 3 | LENGTH) + varint(len(payload)) + payload


def text(number: int, value: str) -> bytes:
    """A string field; nothing for the empty string, as proto3 has it."""
    return field(number, value.encode()) if value else b""


def fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and the value of every field of an encoded message, in its order; fixed-width values as bytes.

    Errors: ValueError when ``body`` is no protobuf message (or holds groups, which proto3 has not).
    """
    at, end = 0, len(body)
    while at < end:
        tag, at = _varint_at(body, at)
        kind = tag & 7
        if kind == VARINT:
            number, at = _varint_at(body, at)
            yield tag >> 3, number
            continue
        if kind == LENGTH:
            size, at = _varint_at(body, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + size > end:
            raise ValueError(f"field {tag >> 3} ends behind the message")
        yield tag >> 3, body[at : at + size]
        at += size


def last(body: bytes, number: int) -> int | bytes | None:
    """The value of field ``number``, the last one where it is repeated; None when it is not set."""
    found: int | bytes | None = None
    for each, value in fields(body):
        if each == number:
            found = value
    return found


def _varint_at(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(body) or shift > 63:
            raise ValueError(f"no varint at byte {at}")
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
