"""What a direct response means: a status and a body, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

LONGEST_BODY: Final = 1024 * 1024
"""Bytes; longer ones do not belong into a configuration that every proxy holds."""


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """A fixed answer: its status, 200 to 599, and its body."""

    status: int
    body: bytes = b""

    @property
    def answers(self) -> bool:
        """It is an answer: its route needs no destination."""
        return True

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self


BLOCKED: Final = DirectResponse(502)
"""What callers of unknown hosts get under REGISTRY_ONLY."""
