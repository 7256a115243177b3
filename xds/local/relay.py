"""Two TCP connections as one: what comes on one side goes out on the other, until both have ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

_CHUNK: Final = 1 << 16

Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def relay(one: Side, other: Side) -> None:
    """Copy both ways until both sides have ended, or one breaks; then close them."""
    try:
        await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))
    except OSError:
        pass
    finally:
        for end in (one[1], other[1]):
            end.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends; then end the target's writing side only, as the source did."""
    while chunk := await source.read(_CHUNK):
        target.write(chunk)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()
