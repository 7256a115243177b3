"""What is asked of a prover, in batches of one type, and the verdicts that are known already."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from xds.events import Event
from xds.prover.candidate import PROVABLE, PROVEN, UNPROVEN, Candidate, Outcome, Verdict
from xds.prover.exchange import Exchange, Gone
from xds.prover.proofs import Remembered
from xds.prover.questions import Numbered, Questions
from xds.prover.search import DEADLY, Search
from xds.prover.tame import tamed
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

log = structlog.get_logger()

# Candidates of one response: what an Envoy takes in some 50 ms.
_BATCH: Final = {CLUSTER: 100, LISTENER: 16, EXTENSION: 32, ROUTE: 1, VIRTUAL_HOST: 200}
_START_S: Final = 10.0
_RESTART_S: Final = 12.0  # longer than it takes a watchdog to end one that hangs
_MOST_REFUSALS: Final = 10_000


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

    def __init__(self, exchange: Exchange, remembered: Remembered, kill: Callable[[], None]) -> None:
        self._exchange = exchange
        self._remembered = remembered
        self._questions = Questions(exchange, kill)
        self._search = Search(self._questions, self._present)
        self._refusals: OrderedDict[bytes, Verdict] = OrderedDict()
        self._queue: dict[bytes, tuple[Candidate, asyncio.Future[Verdict]]] = {}
        self._wake = asyncio.Event()
        self._number = 0
        self._recognised = remembered.version
        self._away = False
        self._patience_s = _START_S
        self.counts = Counts()

    @property
    def away(self) -> bool:
        """Whether nobody can be asked at the moment."""
        return self._away and not self._exchange.ready.is_set()

    def known(self, candidate: Candidate) -> Verdict | None:
        """The verdict where it is known already."""
        if candidate.type_url not in PROVABLE or candidate.key in self._remembered.proofs:
            return PROVEN
        return DEADLY if candidate.key in self._remembered.deadly else self._refusals.get(candidate.key)

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
                self._recognise()
                if self._queue:
                    await self._round(self._next())

    def _recognise(self) -> None:
        """Answer what is known of the version of Envoy that has come."""
        if self._recognised != self._remembered.version:
            self._recognised = self._remembered.version
            asked = [each for each, _ in self._queue.values()]
            self._settle({each: known for each in asked if (known := self.known(each))})

    async def _present(self) -> bool:
        """Whether there is a prover; it is waited for, but not while it was away already."""
        if not self._exchange.ready.is_set() and not self._away:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._exchange.ready.wait()
            except TimeoutError:
                self._lose()
        if self._exchange.ready.is_set():
            self._away, self._patience_s = False, _RESTART_S
        return not self._away

    def _lose(self) -> None:
        if not self._away:
            log.warning(Event.PROVER_AWAY)
            self._away = True

    def _next(self) -> list[Candidate]:
        """The candidates of the next response: the oldest, and others of its type."""
        type_url = next(iter(self._queue.values()))[0].type_url
        found = [each for each, _ in self._queue.values() if each.type_url == type_url]
        return found[: _BATCH[type_url]]

    async def _round(self, batch: Sequence[Candidate]) -> None:
        numbered = dict(enumerate(batch, self._number))
        self._number += len(batch)
        found: dict[int, Verdict] = {}
        try:
            await self._search.verdicts(await _tame(numbered, found), found)
        except Gone:
            self._lose()  # there is nobody to ask about the rest, or nobody who has the time
        except Exception:
            # A bug of ours must not stop the serving.
            log.exception(Event.PROVER_FAILED)
        self.counts.responses = self._questions.asked
        self._settle({each: found.get(number, UNPROVEN) for number, each in numbered.items()})

    def _settle(self, verdicts: Mapping[Candidate, Verdict]) -> None:
        self._remembered.proofs.add(each.key for each, verdict in verdicts.items() if verdict is PROVEN)
        self._remembered.deadly.add(each.key for each, verdict in verdicts.items() if verdict is DEADLY)
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


async def _tame(batch: Mapping[int, Candidate], found: dict[int, Verdict]) -> tuple[Numbered, ...]:
    """What of the batch an Envoy beside the mesh's keys may be given; the rest is UNPROVEN in ``found``."""
    tame: list[Numbered] = []
    for number, each in batch.items():
        harmless = tamed(each)
        if harmless is None:
            found[number] = UNPROVEN
        else:
            tame.append((harmless, number))
        await asyncio.sleep(0)  # looking into large ones takes its time
    return tuple(tame)
