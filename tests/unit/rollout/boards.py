"""A board in memory, and several control planes of one mesh that agree by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xds.rollout.board import BoardAway, BoardRefused, Posted


@dataclass
class Shared:
    """What all see. ``leader`` is who leads, by name; ``away``: nobody can read or write, ``refused``: may."""

    leader: str = ""
    posted: Posted | None = None
    said: dict[str, str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    away: bool = False
    refused: bool = False
    posts: int = 0


@dataclass
class MemoryBoard:
    """One control plane's view of it."""

    name: str
    shared: Shared

    @property
    def leading(self) -> bool:
        return self.shared.leader == self.name

    def replicas(self) -> set[str]:
        return self.shared.alive

    async def read(self) -> Posted | None:
        self._reach()
        return self.shared.posted

    async def post(self, posted: Posted) -> str | None:
        self._reach()
        known = self.shared.posted
        if posted.version != ("" if known is None else known.version):
            return None
        self.shared.posts += 1
        self.shared.posted = replace(posted, version=str(self.shared.posts))
        return self.shared.posted.version

    async def say(self, text: str) -> None:
        self._reach()
        self.shared.said[self.name] = text

    async def heard(self) -> Mapping[str, str]:
        self._reach()
        return {name: text for name, text in self.shared.said.items() if name in self.shared.alive}

    def _reach(self) -> None:
        if self.shared.refused:
            raise BoardRefused("403: forbidden")
        if self.shared.away:
            raise BoardAway("it is away")
