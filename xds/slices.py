"""Work cut into slices, so that an event loop can do other things in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

# A generator that yields wherever it may be interrupted, and returns its result.
Slices = Generator[None, None, T]

BUDGET_S: Final = 0.005


def listed(each: Iterable[T]) -> Slices[list[T]]:
    """A list of these, whose making may be interrupted after every 50."""
    found = list[T]()
    for one in each:
        found.append(one)
        if len(found) % 50 == 0:
            yield
    return found


def taken(each: list[T]) -> Iterator[T]:
    """Each in order, gone from the list when it is taken: to let go of 10,000 at once takes long as well."""
    each.reverse()
    while each:
        yield each.pop()


async def in_slices(work: Slices[T]) -> T:
    """The result of ``work``, giving way to others whenever it has held the loop for ``BUDGET_S``."""
    until = time.monotonic() + BUDGET_S
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        if time.monotonic() >= until:
            await asyncio.sleep(0)
            until = time.monotonic() + BUDGET_S


def at_once(work: Slices[T]) -> T:
    """The result of ``work``, without giving way."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
