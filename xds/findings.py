"""What is wrong with what the sources hold now, with the place of each finding; new findings are logged once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from xds.decoders.build import Builder
from xds.events import Event
from xds.explain.analyze import found_in, ordered
from xds.explain.analyze.credentials import USED, expiries
from xds.model.problem import Problem, Severity
from xds.model.refs import Origin
from xds.slices import in_slices
from xds.sources.changes import Source
from xds.sources.store import ObjectStore
from xds.view.graph import Graph

log = structlog.get_logger()

# Pods that come up one after the other would make findings that are gone at once.
_SETTLE_S = 0.3
_LOOK_S = 600.0


class Findings:
    """The findings of sources, decoders and analysis, brought up to date a moment after something has changed."""

    def __init__(self, store: ObjectStore, builder: Builder, graph: Graph, sources: Sequence[Source]) -> None:
        self._store = store
        self._builder = builder
        self._graph = graph
        self.sources = sources
        self._known: tuple[Problem, ...] = ()
        self._placed: dict[Problem, Origin | None] = {}
        self._news = asyncio.Event()
        self._asked = self._looked = 0
        self._progress = asyncio.Event()
        self.also: list[Callable[[], Awaitable[tuple[Problem, ...]]]] = []
        """Who else finds something."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All findings, worst first."""
        return self._known

    def changed(self) -> None:
        """Something may be found, or found no more."""
        self._asked += 1
        self._news.set()

    async def up_to_date(self) -> None:
        """Return when all that there was to be found when this was called is in ``problems``."""
        wanted = self._asked
        while self._looked < wanted:
            await self._progress.wait()

    async def watch(self) -> None:
        """Keep the findings up to date, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):  # certificates end, whether or not there are news
                await asyncio.wait_for(self._news.wait(), _LOOK_S)
            await asyncio.sleep(_SETTLE_S)
            self._news.clear()
            asked = self._asked
            try:
                await self._look()
            except Exception:
                # A bug of ours in a check must not end the serving: the findings stay those of before.
                log.exception(Event.ANALYSIS_FAILED)
            self._looked = asked
            self._progress.set()
            self._progress = asyncio.Event()

    async def _look(self) -> None:
        between = await in_slices(found_in(self._graph))
        others = [problem for more in self.also for problem in await more()]
        ends = expiries(self._graph.get(USED), time.time())
        every = (*self._store.problems(), *self._builder.problems, *between, *ends, *others)
        found = await asyncio.to_thread(ordered, every)  # of many thousands it would hold the loop
        await self._place(found)
        placed = await asyncio.to_thread(_with_origins, found, self._placed)
        _log_new(placed, self._known)
        self._known = placed

    async def _place(self, found: Iterable[Problem]) -> None:
        current = dict.fromkeys(found)
        self._placed = {each: place for each, place in self._placed.items() if each in current}
        for each in current:
            if each not in self._placed:
                self._placed[each] = each.origin or await self._locate(each)

    async def _locate(self, problem: Problem) -> Origin | None:
        known = self._store.get(problem.at.object)
        if known is None:
            return None
        return await asyncio.to_thread(self.sources[0].locate, problem.at, known.origin)


def _with_origins(found: Iterable[Problem], origins: Mapping[Problem, Origin | None]) -> tuple[Problem, ...]:
    return tuple(replace(each, origin=origins[each]) for each in found)


def _log_new(now: Iterable[Problem], before: Sequence[Problem]) -> None:
    known = set(before)
    for problem in now:
        if problem not in known and problem.severity is not Severity.INFO:
            write = log.error if problem.severity is Severity.ERROR else log.warning
            write(
                Event.PROBLEM_FOUND,
                object=str(problem.at.object),
                field=problem.at.dotted,
                code=problem.code,
                message=problem.message,
                origin=str(problem.origin or ""),
            )
