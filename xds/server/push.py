"""Fan-out that keeps the event loop responsive: streams are woken in slices, large writes share a budget of bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

# Writes below this are not worth counting.
_SMALL_BYTES: Final = 16 * 1024


class Wakeable(Protocol):
    """What waits in the turnstile."""

    queued: bool
    wake: asyncio.Event


class Turnstile:
    """Wakes those who pass, in their order, a slice in each turn of the event loop; who waits already waits once."""

    def __init__(self, slice_streams: int) -> None:
        self._slice = slice_streams
        self._queue: deque[Wakeable] = deque()
        self._turning = False

    def enter(self, stream: Wakeable) -> None:
        """Have ``stream`` woken soon."""
        if stream.queued:
            return
        stream.queued = True
        self._queue.append(stream)
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        for _ in range(min(self._slice, len(self._queue))):
            stream = self._queue.popleft()
            stream.queued = False
            stream.wake.set()
        self._turning = bool(self._queue)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)


class WriteBudget:
    """How many bytes may be handed to the network and not yet be on their way, all streams together.

    A share counts until it is given back, or until patience ends: a client that does not read must not starve others.
    """

    def __init__(self, limit_bytes: int, patience_s: float) -> None:
        self._limit = limit_bytes
        self._patience_s = patience_s
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size_bytes: int) -> Share | None:
        """A share of that size, when it is free; None where the size is not worth counting."""
        if size_bytes < _SMALL_BYTES:
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            self.give(0 if turn.cancelled() else size_bytes)  # it may have been its turn already
            raise
        return Share(self, size_bytes, self._patience_s)

    def give(self, size_bytes: int) -> None:
        """Take a share back."""
        self._used -= size_bytes
        self._admit()

    def _admit(self) -> None:
        """Give those who wait their shares, in their order, as far as they fit; one too large for all goes alone."""
        while self._waiting:
            size_bytes, turn = self._waiting[0]
            if not turn.done():
                if self._used and self._used + size_bytes > self._limit:
                    return
                self._used += size_bytes
                turn.set_result(None)
            self._waiting.popleft()


class Share:
    """A part of the budget, given back once: by ``end`` or when patience ends."""

    def __init__(self, budget: WriteBudget, size_bytes: int, patience_s: float) -> None:
        self._budget: WriteBudget | None = budget
        self._size = size_bytes
        self._timer = asyncio.get_running_loop().call_later(patience_s, self.end)

    def end(self) -> None:
        """Give the share back."""
        self._timer.cancel()
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give(self._size)
