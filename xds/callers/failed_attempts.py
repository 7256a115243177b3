"""Failed attempts by address: a bucket that fills with failures and leaks with time; bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class FailedAttempts:
    """Of each address ``at_once`` attempts may fail, and one more every ``every_s`` seconds.

    At most ``most`` addresses are kept, the latest; one that has behaved long enough is forgotten.
    """

    at_once: int = 20
    every_s: float = 1.0
    most: int = 10_000
    # By address the moment at which the bucket will be empty: each failure adds ``every_s``.
    _empty_at: OrderedDict[str, float] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._empty_at)

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until the address may try again; 0 when it may now."""
        full = self._empty_at.get(address, now) - now - (self.at_once - 1) * self.every_s
        return max(0.0, full)

    def add(self, address: str, now: float) -> None:
        """Count a failure."""
        self._empty_at[address] = max(self._empty_at.pop(address, now), now) + self.every_s
        while self._empty_at and (len(self._empty_at) > self.most or next(iter(self._empty_at.values())) <= now):
            self._empty_at.popitem(last=False)
