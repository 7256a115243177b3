"""Work that goes on beside other work, and that all ends when one part of it does."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Coroutine, Mapping
from typing import Any

Work = Coroutine[Any, Any, None]


class Tasks:
    """Parts of one whole, each a task of the event loop."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.ending = asyncio.Event()
        """Set when all is to end: for parts that do so by themselves."""

    def begin(self, work: Work, name: str) -> None:
        """Have ``work`` go on from now on."""
        self._tasks.append(asyncio.create_task(work, name=name))

    def begin_all(self, work: Mapping[str, Work]) -> None:
        """The same of several, by name."""
        for name, each in work.items():
            self.begin(each, name)

    async def wait(self) -> None:
        """Return when a part has ended, or raise what has ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def until(self, event: asyncio.Event) -> None:
        """Return when ``event`` is set; where a part ends before, as ``wait`` does."""
        awaited = asyncio.create_task(event.wait())
        await asyncio.wait([awaited, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            awaited.cancel()
            await self.wait()

    async def end(self, by_themselves: Container[str]) -> None:
        """Return when all have ended; those of these names do so by themselves, the others are cancelled."""
        self.ending.set()
        for task in self._tasks:
            if task.get_name() not in by_themselves:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
