"""Questions to an Envoy: candidates in one response, with what they need around them, and its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from xds.prover.bootstrap import SLOT
from xds.prover.candidate import Candidate
from xds.prover.exchange import Exchange, Gone
from xds.prover.inert import APART, NAME, inert, stand_in
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

Numbered = tuple[Candidate, int]
"""A candidate, and the number under which an Envoy is told of it."""

_SENT_AS: Final = {CLUSTER: CLUSTER, LISTENER: LISTENER, EXTENSION: LISTENER, ROUTE: ROUTE, VIRTUAL_HOST: ROUTE}
_MOST_STAND_INS: Final = 256
# What Envoy says when it is not the candidate that is bad, but the prover's own surroundings.
_OF_THE_MACHINE: Final = ("cannot bind", "cannot listen", "unable to read file", "Invalid path", "from path")
_LACKING: Final = re.compile(r"[Uu]nknown (?:gRPC client )?cluster '([^']+)'")
_OURS: Final = re.compile(rf"(?:Error adding/updating \w+\(s\) {NAME}\d+: |{APART}\d+-)")
_NUMBERED: Final = re.compile(rf"{NAME}\d+|{SLOT}")
_LONGEST: Final = 300


class Questions:
    """Asks the Envoy behind ``exchange``; ``kill`` is called to have one that does not answer ended."""

    def __init__(self, exchange: Exchange, kill: Callable[[], None]) -> None:
        self._exchange = exchange
        self._kill = kill
        self._left: dict[str, list[str]] = {}
        self._stand_ins: dict[str, None] = {}
        self.asked = 0
        """How many responses it was sent."""

    async def ask(self, part: Sequence[Numbered], limit_s: float) -> str | None:
        """Why it refuses candidates of one type; None when it takes them. Errors: Gone."""
        reason = await self._once(part, limit_s)
        while reason is not None and await self._stood_in(reason, limit_s):
            reason = await self._once(part, limit_s)
        return reason

    async def take_back(self, type_url: str, limit_s: float) -> None:
        """Have it drop what it was asked about last. Errors: Gone."""
        sent_as = _SENT_AS[type_url]
        await self._said(sent_as, [], self._left.pop(sent_as, ()), limit_s)

    async def _once(self, part: Sequence[Numbered], limit_s: float) -> str | None:
        type_url = _SENT_AS[part[0][0].type_url]
        try:
            messages = inert(part, SLOT)
        except DecodeError:
            return "is no message of its type"
        if not messages:
            return None
        named = [(getattr(each, "name"), each) for each in messages]  # noqa: B009 (of any type)
        names = [name for name, _ in named]
        gone = [name for name in self._left.get(type_url, ()) if name not in names]
        self._left[type_url] = [] if type_url == ROUTE else names
        return await self._said(type_url, named, gone, limit_s)

    async def _said(
        self, type_url: str, named: Sequence[tuple[str, object]], gone: Sequence[str], limit_s: float
    ) -> str | None:
        self.asked += 1
        try:
            return await self._exchange.ask(type_url, named, gone, limit_s)  # type: ignore[arg-type]
        except Gone as lost:
            self._left.clear()
            self._stand_ins.clear()
            if lost.silent:
                self._kill()
            raise

    async def _stood_in(self, reason: str, limit_s: float) -> bool:
        """Whether the clusters that Envoy misses are there now, and were not before."""
        lacking = {name for name in _LACKING.findall(reason) if name not in self._stand_ins}
        if not lacking or len(self._stand_ins) + len(lacking) > _MOST_STAND_INS:
            return False
        self._stand_ins.update(dict.fromkeys(sorted(lacking)))
        await self._said(CLUSTER, [(name, stand_in(name)) for name in sorted(lacking)], (), limit_s)
        return True


def excused(reason: str) -> bool:
    """Whether a refusal is not the candidate's fault, but that of the prover's surroundings."""
    return any(words in reason for words in _OF_THE_MACHINE) or _LACKING.search(reason) is not None


def in_own_words(reason: str, candidate: Candidate) -> str:
    """Envoy's words about a candidate, on one line, under the candidate's own names."""
    text = _NUMBERED.sub(lambda _: candidate.name, _OURS.sub("", reason))
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
