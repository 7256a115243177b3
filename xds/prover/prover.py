"""Which of many candidates an Envoy takes: in batches, halved where one is refused until the culprits are known."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from xds.events import Event
from xds.prover.bootstrap import SLOT
from xds.prover.candidate import PROVABLE, PROVEN, UNPROVEN, Candidate, Outcome, Verdict
from xds.prover.exchange import Exchange, Gone
from xds.prover.inert import APART, NAME, inert, stand_in
from xds.prover.proofs import Proofs
from xds.prover.tame import tamed
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

log = structlog.get_logger()

# Candidates of one response: what an Envoy takes in some 50 ms.
_BATCH: Final = {CLUSTER: 100, LISTENER: 16, EXTENSION: 32, ROUTE: 1, VIRTUAL_HOST: 200}
_SENT_AS: Final = {CLUSTER: CLUSTER, LISTENER: LISTENER, EXTENSION: LISTENER, ROUTE: ROUTE, VIRTUAL_HOST: ROUTE}
_ANSWER_S: Final = 2.0
_START_S: Final = 10.0
_RESTART_S: Final = 5.0
_MOST_REFUSALS: Final = 10_000
_MOST_STAND_INS: Final = 256
_CRASHED: Final = "Envoy crashes when it reads it"
# What Envoy says when it is not the candidate that is bad, but the prover's own surroundings.
_OF_THE_MACHINE: Final = ("cannot bind", "cannot listen", "unable to read file", "Invalid path", "from path")
_LACKING: Final = re.compile(r"[Uu]nknown (?:gRPC client )?cluster '([^']+)'")
_OURS: Final = re.compile(rf"(?:Error adding/updating \w+\(s\) {NAME}\d+: |{APART}\d+-)")
_NUMBERED: Final = re.compile(rf"{NAME}\d+|{SLOT}")
_LONGEST: Final = 300


@dataclass(slots=True)
class Counts:
    """What a prover has done, for metrics."""

    proven: int = 0
    refused: int = 0
    unproven: int = 0
    responses: int = 0


class Prover:
    """Asks the Envoy behind ``exchange``. ``run`` works for ever; ``judge`` may be called by many at once.

    ``kill`` is called to have an Envoy that does not answer ended; somebody else starts it anew.
    """

    def __init__(self, exchange: Exchange, proofs: Proofs, kill: Callable[[], None]) -> None:
        self._exchange = exchange
        self._proofs = proofs
        self._kill = kill
        self._refusals: OrderedDict[bytes, Verdict] = OrderedDict()
        self._queue: dict[bytes, tuple[Candidate, asyncio.Future[Verdict]]] = {}
        self._wake = asyncio.Event()
        self._number = 0
        self._left: dict[str, list[str]] = {}
        self._stand_ins: dict[str, None] = {}
        self._away = False
        self._patience_s = _START_S
        self.counts = Counts()

    @property
    def away(self) -> bool:
        """Whether nobody can be asked at the moment."""
        return self._away and not self._exchange.ready.is_set()

    def known(self, candidate: Candidate) -> Verdict | None:
        """The verdict where it is known already."""
        if candidate.type_url not in PROVABLE or candidate.key in self._proofs:
            return PROVEN
        return self._refusals.get(candidate.key)

    async def judge(self, candidates: Iterable[Candidate]) -> Mapping[Candidate, Verdict]:
        """The verdicts. Returns in bounded time: what nobody answers for is UNPROVEN."""
        found: dict[Candidate, Verdict] = {}
        waiting: dict[Candidate, asyncio.Future[Verdict]] = {}
        for each in candidates:
            known = self.known(each)
            if known is not None:
                found[each] = known
                continue
            if each.key not in self._queue:
                self._queue[each.key] = (each, asyncio.get_running_loop().create_future())
                self._wake.set()
            waiting[each] = self._queue[each.key][1]
        for each, future in waiting.items():
            found[each] = await asyncio.shield(future)
        return found

    async def run(self) -> None:
        """Answer what is asked, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                if not await self._present():
                    self._settle({each: UNPROVEN for each, _ in list(self._queue.values())})
                    break
                await self._round(self._next())

    async def _present(self) -> bool:
        """Whether there is a prover; it is waited for, but not while it was away already."""
        if not self._exchange.ready.is_set() and not self._away:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._exchange.ready.wait()
            except TimeoutError:
                log.warning(Event.PROVER_AWAY)
                self._away = True
        if self._exchange.ready.is_set():
            self._away, self._patience_s = False, _RESTART_S
        return not self._away

    def _next(self) -> list[Candidate]:
        """The candidates of the next response: the oldest, and others of its type."""
        type_url = next(iter(self._queue.values()))[0].type_url
        found = [each for each, _ in self._queue.values() if each.type_url == type_url]
        return found[: _BATCH[type_url]]

    async def _round(self, batch: Sequence[Candidate]) -> None:
        try:
            self._settle(await self._verdicts(batch))
        except Gone:
            self._settle(dict.fromkeys(batch, UNPROVEN))
        except Exception:
            # A bug of ours must not stop the serving.
            log.exception(Event.PROVER_FAILED)
            self._settle(dict.fromkeys(batch, UNPROVEN))

    def _settle(self, verdicts: Mapping[Candidate, Verdict]) -> None:
        self._proofs.add(each.key for each, verdict in verdicts.items() if verdict is PROVEN)
        for each, verdict in verdicts.items():
            if verdict.refused:
                self.counts.refused += 1
                self._refusals[each.key] = verdict
                if len(self._refusals) > _MOST_REFUSALS:
                    self._refusals.popitem(last=False)
            elif verdict.outcome is Outcome.PROVEN:
                self.counts.proven += 1
            else:
                self.counts.unproven += 1
            _, future = self._queue.pop(each.key)
            if not future.done():
                future.set_result(verdict)

    # -- one batch

    async def _verdicts(self, batch: Sequence[Candidate]) -> dict[Candidate, Verdict]:
        """The verdict of each. Errors: Gone, where the prover is away and does not come back."""
        originals = dict(enumerate(batch, self._number))
        self._number += len(batch)
        found: dict[Candidate, Verdict] = {}
        crashed: set[int] = set()
        pending = [await self._tame(originals, found)]
        while pending:
            part = pending.pop()
            if not part:
                continue
            try:
                reason = await self._ask(part)
            except Gone as gone:
                if gone.silent or not await self._present():
                    raise
                reason = _CRASHED
                if len(part) == 1 and part[0][1] not in crashed:  # somebody else may have ended it
                    crashed.add(part[0][1])
                    pending.append(part)
                    continue
            if reason is None or (len(part) == 1 and _excused(reason)):
                found.update((originals[number], PROVEN if reason is None else UNPROVEN) for _, number in part)
            elif len(part) == 1:
                found[originals[part[0][1]]] = Verdict(Outcome.REFUSED, _said(reason, part[0][0]))
            else:
                middle = len(part) // 2
                pending += [part[middle:], part[:middle]]
        return found

    @staticmethod
    async def _tame(
        batch: Mapping[int, Candidate], found: dict[Candidate, Verdict]
    ) -> tuple[tuple[Candidate, int], ...]:
        """What of the batch an Envoy beside the mesh's keys may be given; of the rest the verdicts are in ``found``."""
        tame: list[tuple[Candidate, int]] = []
        for number, each in batch.items():
            harmless = tamed(each)
            if harmless is None:
                found[each] = UNPROVEN
            else:
                tame.append((harmless, number))
            await asyncio.sleep(0)  # looking into large ones takes its time
        return tuple(tame)

    async def _ask(self, part: Sequence[tuple[Candidate, int]]) -> str | None:
        reason = await self._once(part)
        while reason is not None and await self._stood_in(reason):
            reason = await self._once(part)
        return reason

    async def _once(self, part: Sequence[tuple[Candidate, int]]) -> str | None:
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
        return await self._said(type_url, named, gone)

    async def _said(self, type_url: str, named: Sequence[tuple[str, object]], gone: Sequence[str]) -> str | None:
        self.counts.responses += 1
        try:
            return await self._exchange.ask(type_url, named, gone, _ANSWER_S)  # type: ignore[arg-type]
        except Gone as lost:
            self._left.clear()
            self._stand_ins.clear()
            if lost.silent:
                self._kill()
            raise

    async def _stood_in(self, reason: str) -> bool:
        """Whether the clusters that Envoy misses are there now, and were not before."""
        lacking = {name for name in _LACKING.findall(reason) if name not in self._stand_ins}
        if not lacking or len(self._stand_ins) + len(lacking) > _MOST_STAND_INS:
            return False
        self._stand_ins.update(dict.fromkeys(sorted(lacking)))
        await self._said(CLUSTER, [(name, stand_in(name)) for name in sorted(lacking)], ())
        return True


def _excused(reason: str) -> bool:
    return any(words in reason for words in _OF_THE_MACHINE) or _LACKING.search(reason) is not None


def _said(reason: str, candidate: Candidate) -> str:
    """Envoy's words about a candidate, on one line, under the candidate's own names."""
    text = _NUMBERED.sub(lambda _: candidate.name, _OURS.sub("", reason))
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
