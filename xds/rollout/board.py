"""Where the control planes of a mesh agree on rollouts: a text that is written by who leads, and one of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


class BoardAway(Exception):
    """It cannot be read or written now; why."""


class BoardRefused(BoardAway):
    """It may not be read or written by this control plane; why."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What stands on it: the decision, and the objects that are held back; ``version`` is another whenever they are."""

    version: str
    decision: str
    held: bytes


class Board(Protocol):
    """A board that all control planes of a mesh see. Errors of its calls: BoardAway."""

    @property
    def name(self) -> str:
        """What this control plane is called on it."""
        ...

    @property
    def leading(self) -> bool:
        """Whether this control plane decides now."""
        ...

    def replicas(self) -> Collection[str]:
        """The control planes that are alive, as far as is known."""
        ...

    async def read(self) -> Posted | None:
        """What stands there; None where nothing was ever posted."""
        ...

    async def post(self, posted: Posted) -> str | None:
        """Put that in the place of what had its version (empty: of nothing); the new version, None: it was another."""
        ...

    async def say(self, text: str) -> None:
        """Have others hear what this one sees; at a bounded rate."""
        ...

    async def heard(self) -> Mapping[str, str]:
        """What each that is alive has said last."""
        ...
