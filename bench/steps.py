"""How long an event loop is held up by its steps: by the clock, and by what they do themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Steps:
    """The longest step of an event loop, in seconds: of processor time, and by the clock."""

    spent: float = 0.0
    took: float = 0.0


@contextmanager
def steps() -> Iterator[Steps]:
    """What the event loop does while the block runs."""
    found, run = Steps(), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        spent, began = time.thread_time(), time.monotonic()
        run(handle)
        found.spent = max(found.spent, time.thread_time() - spent)
        found.took = max(found.took, time.monotonic() - began)

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]
    try:
        yield found
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
