"""Output that never waits for who reads it: a thread writes, what is too much is dropped, and a line says how much."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Final

_MOST_CHARACTERS: Final = 1 << 20
_END_S: Final = 1.0


class Spool:
    """Text for a file descriptor: a pipe, a terminal or a file. ``write`` returns at once.

    While nobody reads, 2 MiB are held; of what comes then, whole calls of ``write`` are dropped. When somebody reads
    again, ``dropped`` spells, in their place, how many. Whoever has closed the other end is written to no more.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._dropped = dropped
        self._held: list[str] = []
        self._size = 0
        self._lost = 0
        self._closed = False
        self._news = threading.Condition()
        # Not one that an end of the process waits for: it may stand in a write for ever.
        self._writer = threading.Thread(target=self._run, name="spool", daemon=True)
        self._writer.start()

    def write(self, text: str) -> None:
        """Have the text written, or dropped."""
        with self._news:
            if self._closed or self._size >= _MOST_CHARACTERS:
                self._lost += 1
                return
            self._held.append(text)
            self._size += len(text)
            self._news.notify()

    def flush(self) -> None:
        """Nothing: all is written as soon as it can be."""

    def close(self) -> None:
        """Return when all is written, or after a second; what comes later is dropped."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._writer.join(_END_S)

    def _run(self) -> None:
        try:
            while (text := self._taken()) is not None:
                self._put(text.encode(errors="replace"))
        except OSError:  # nobody is there to read
            with self._news:
                self._closed = True
                self._held.clear()

    def _taken(self) -> str | None:
        """What waits, as soon as something does; None when that was all."""
        with self._news:
            while not self._held:
                if self._closed:
                    return None
                self._news.wait()
            text = "".join(self._held)
            if self._lost:
                text += self._dropped(self._lost)
            self._held.clear()
            self._size = self._lost = 0
            return text

    def _put(self, content: bytes) -> None:
        """Write all of it. Errors: OSError."""
        left = memoryview(content)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever started us has set it so
                select.select([], [self._descriptor], [])
