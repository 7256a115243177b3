"""How much work somebody may have done: a share of the time, so that no tenant has all of it."""

from __future__ import annotations

import time
from typing import TypeVar

from xds.slices import Slices

T = TypeVar("T")


class Budget:
    """Seconds of work: ``share`` of them come back each second, up to ``most_s``, which are there at first."""

    def __init__(self, share: float, most_s: float) -> None:
        self._share = share
        self._most_s = most_s
        self._left_s = most_s
        self._at = time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether there is nothing left for now."""
        return self._now() <= 0

    @property
    def back_in_s(self) -> float:
        """When there will be something again."""
        return max(0.0, -self._now() / self._share)

    def spend(self, seconds: float) -> None:
        """So much was done; it may be more than was left."""
        self._left_s = self._now() - seconds

    def charged(self, work: Slices[T]) -> Slices[T]:
        """The same work, paid for while it is done."""
        while True:
            began = time.monotonic()
            try:
                next(work)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self.spend(time.monotonic() - began)
            yield

    def _now(self) -> float:
        before, self._at = self._at, time.monotonic()
        self._left_s = min(self._most_s, self._left_s + (self._at - before) * self._share)
        return self._left_s
