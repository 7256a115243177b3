"""Waiting for what comes to be, always with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], within_s: float = 20) -> T:
    """What ``found`` answers, as soon as that is something. AssertionError when it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
    return answer


async def until(holds: Callable[[], object], within_s: float = 40) -> None:
    """Return when it holds in this process. Errors: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for is a state of others
            await asyncio.sleep(0.01)


async def until_there(holds: Callable[[], object], within_s: float = 20) -> None:
    """Return when it holds, which is found out in a thread: the API server is asked. Errors: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
