"""A control plane's part in the rollouts of a mesh that has several: the one that leads decides, all follow.

What is decided stands on a board before anybody acts by it. A stop needs no leader: who sees harm among its own proxies
takes them back, and says why, and that ends it for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

import msgspec
import structlog

from xds.events import Event
from xds.model.refs import ObjectRef
from xds.rollout.board import Board, BoardAway, BoardRefused, Posted
from xds.rollout.decision import Decision, Said, Verdict, Wish, decoded, encoded, kept, said_of, said_text
from xds.rollout.held import Held, HeldObjects, State
from xds.rollout.judge import Judgement
from xds.rollout.kept import Kept, lines, of_lines
from xds.rollout.lead import Objects, Round, decided
from xds.rollout.progress import UNKNOWN, Phase, Plan
from xds.rollout.sight import Sight

log = structlog.get_logger()

_EVERY_S: Final = 1.0
_HELD_S: Final = 5.0
_IDLE_S: Final = 30.0
_AGAIN_S: Final = 2.0
_WISH_S: Final = 60.0
_LISTEN_S: Final = 20.0
# Of the contents of objects that are held back, before they are compressed: of all, and of a namespace.
_MOST_HELD_BYTES: Final = 600_000
_HELD_BYTES: Final = 150_000
_NOT_KNOWN: Final = ("",)  # somebody who will not be heard: it is waited for others for as long as for anybody
_NOTHING_POSTED: Final = Posted("", "", b"")
_UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, KeyError, msgspec.MsgspecError)


class Concert:
    """Agrees with the other control planes on ``board`` about the objects that are held back."""

    def __init__(self, board: Board, plan: Plan, objects: HeldObjects) -> None:
        self._board = board
        self._plan = plan
        self._objects = objects
        self.decision = Decision()
        """What was agreed on last, as far as is known."""
        self.judgement: Judgement | None = None
        """What the figures of all say, where this one leads."""
        self._posted = _NOTHING_POSTED
        self._proposal: Objects = ()
        self._dropped = -1
        self._sight: Sight | None = None
        self._wishes: dict[Wish, float] = {}
        self._news = asyncio.Event()
        self._trouble = ""
        self._led_since: float | None = None
        self._left: tuple[ObjectRef, ...] = ()

    @property
    def name(self) -> str:
        """What this control plane is called."""
        return self._board.name

    @property
    def leading(self) -> bool:
        """Whether it decides now."""
        return self._board.leading

    async def open(self, stands_in: Callable[[], bool]) -> Mapping[ObjectRef, Kept] | None:
        """What was held back before this one started, as soon as the board can be read.

        None when nothing stands there, or something ``stands_in`` for what cannot be read now. Errors: BoardRefused.
        """
        posted, known = None, False
        while not known:
            try:
                posted, known = await self._board.read(), True
            except BoardRefused as error:
                self._note(str(error))
                raise
            except BoardAway as error:
                self._note(str(error))
                if stands_in():
                    return None
                await asyncio.sleep(_AGAIN_S)
        if posted is None:
            return None
        self._take(posted, time.monotonic())
        try:
            return await asyncio.to_thread(of_lines, posted.held) if posted.held else {}
        except _UNREADABLE as error:
            log.warning(Event.HELD_NOT_KEPT, path="the mesh's ConfigMap", error=str(error))
            return {}

    async def run(self, heed: Callable[[], None]) -> None:
        """Agree, for ever; ``heed`` is told whenever something may have been decided."""
        await asyncio.to_thread(_versions, list(self._objects.held.values()))
        heed()  # what was decided before this one started
        while True:
            try:
                await self._look()
                heed()
            except BoardAway as error:
                self._note(str(error))
                await asyncio.sleep(_AGAIN_S)
                continue
            self._trouble = ""
            await self._pause()

    def changed(self) -> None:
        """Other objects are held back than before, or something is to be said."""
        self._news.set()

    def active(self) -> Round | None:
        """The rollout that is under way."""
        known = self.decision.round
        return None if known is None or known.over else known

    @property
    def ending(self) -> bool:
        """Whether the rollout that is under way is about to end as people say, or by the harm that is seen here."""
        return bool(self._wishes) or (self._sight is not None and bool(self._sight.troubles))

    def propose(self, refs: Iterable[ObjectRef]) -> None:
        """Have these roll out next, where this one leads."""
        versions = self._objects.versions()
        self._proposal = tuple((ref, versions[ref]) for ref in refs if ref in versions)
        self._news.set()

    def drop(self, number: int) -> None:
        """Have that rollout be no more, where this one leads: what it was of has changed, or nobody has it."""
        self._dropped = number
        self._news.set()

    def wish(self, phase: Phase, refs: Iterable[ObjectRef], reason: str) -> None:
        """Have these become that, as people say; whoever leads hears it."""
        now, versions = time.monotonic(), self._objects.versions()
        self._wishes.update({Wish(phase, ref, versions[ref], reason): now for ref in refs if ref in versions})
        self._news.set()

    def sees(self, sight: Sight | None) -> None:
        """What this one sees of the rollout that is under way; None: nothing."""
        self._sight = sight

    # -- the board

    async def _pause(self) -> None:
        if self._busy:
            await asyncio.sleep(_EVERY_S)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HELD_S if self._objects.held else _IDLE_S):
                    await self._news.wait()
        self._news.clear()

    @property
    def _busy(self) -> bool:
        """Whether something is under way; what has come back is not."""
        moving = any(each.state is not State.ABORTED for each in self._objects.held.values())
        return moving or bool(self._wishes) or self._sight is not None or self.active() is not None

    async def _look(self) -> None:
        await asyncio.to_thread(_versions, list(self._objects.held.values()))
        posted = await self._board.read()
        now = time.monotonic()
        if posted is None:
            self._posted = _NOTHING_POSTED  # somebody has deleted it
        elif posted.version != self._posted.version:
            self._take(posted, now)
        if self._busy:
            await self._board.say(said_text(Said(self._sight, tuple(self._wishes))))
        if not self._board.leading:
            self._led_since = None
        elif self._objects.begun:
            self._led_since = now if self._led_since is None else self._led_since
            await self._lead(now)
        self._forget_wishes(now)

    def _take(self, posted: Posted, now: float) -> None:
        self._posted = posted
        try:
            found = decoded(posted.decision, now)
        except msgspec.MsgspecError as error:
            self._note(str(error))
            return
        if found.said != self.decision.said:  # else what is known has the times, too
            self.decision = found

    async def _lead(self, now: float) -> None:
        heard = {name: _said(text) for name, text in (await self._board.heard()).items()}
        heard[self.name] = Said(self._sight, tuple(self._wishes))
        after = self._after(heard, now)
        contents = {ref: (each.new, each.good, each.reason) for ref, each in self._objects.held.items()}
        held, left = await asyncio.to_thread(lines, contents, _MOST_HELD_BYTES, _HELD_BYTES)
        if left and left != self._left:
            log.warning(
                Event.HELD_NOT_KEPT, path="the mesh's ConfigMap", error=f"no room for {', '.join(map(str, left))}"
            )
        self._left = left
        if after.said == self.decision.said and held == self._posted.held:
            self.decision = after  # the times
            return
        if not (self._posted.version or self._objects.held or after.number):
            return  # there was never anything to say
        wanted = Posted(self._posted.version, encoded(after), held)
        if (version := await self._board.post(wanted)) is not None:
            self._posted, self.decision = replace(wanted, version=version), after

    def _after(self, heard: Mapping[str, Said], now: float) -> Decision:
        """What is to be decided by what was heard."""
        known, verdicts = self.decision.round, dict(self.decision.verdicts)
        number = self.decision.number
        if known is not None and known.number == self._dropped:
            known = None
        wishes = [wish for each in heard.values() for wish in each.wishes]
        known = self._willed(known, verdicts, wishes, now)
        if known is not None and not known.over and self._has_heard(heard, known, now):
            sights = {name: each.sight for name, each in heard.items() if each.sight is not None}
            known, judgement = decided(known, sights, self._expected(), self._plan, now)
            self.judgement = None if judgement is UNKNOWN else judgement
            if known.over:
                verdicts.update(_verdicts(known))
        elif (proposal := self._undecided(verdicts)) and (known is None or known.over):
            number += 1
            known = Round(number, proposal, now)
            for ref, _ in proposal:
                verdicts.pop(ref, None)
        self._proposal = ()
        for ref, each in self._objects.held.items():
            if each.state is State.ABORTED and ref not in verdicts:
                verdicts[ref] = Verdict(each.version, Phase.ABORTED, each.reason)
        versions = {ref: self._objects.version_now(ref) for ref in verdicts}
        return Decision(number, self.name, known, kept(verdicts, self._objects.versions(), versions))

    def _undecided(self, verdicts: Mapping[ObjectRef, Verdict]) -> Objects:
        """What is proposed, without what was proposed before the verdict on it was known here."""
        return tuple((ref, v) for ref, v in self._proposal if (known := verdicts.get(ref)) is None or known.version != v)

    def _has_heard(self, heard: Mapping[str, Said], known: Round, now: float) -> bool:
        """Whether all were heard that are to be heard: who has just begun to lead knows of nobody's cohort yet."""
        silent = {name for name in known.given if heard.get(name, Said()).sight is None}
        return not silent or self._led_since is None or now - self._led_since >= _LISTEN_S

    def _willed(
        self, known: Round | None, verdicts: dict[ObjectRef, Verdict], wishes: Iterable[Wish], now: float
    ) -> Round | None:
        held = self._objects.versions()
        for wish in wishes:
            if known is not None and not known.over and (wish.ref, wish.version) in known.objects:
                known = known.ended(wish.phase, wish.reason, now)
                verdicts.update(_verdicts(known))
            elif held.get(wish.ref) == wish.version:
                verdicts[wish.ref] = Verdict(wish.version, wish.phase, wish.reason)
        return known

    def _expected(self) -> Collection[str]:
        return {*(self._board.replicas() or _NOT_KNOWN), self.name}

    def _forget_wishes(self, now: float) -> None:
        held = self._objects.versions()
        for wish, since in list(self._wishes.items()):
            verdict = self.decision.verdicts.get(wish.ref)
            done = verdict is not None and (verdict.version, verdict.phase) == (wish.version, wish.phase)
            if done or held.get(wish.ref) != wish.version or now - since > _WISH_S:
                del self._wishes[wish]

    def _note(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            log.warning(Event.ROLLOUTS_NOT_AGREED, reason=text)


def _verdicts(ended: Round) -> dict[ObjectRef, Verdict]:
    if ended.progress is None or ended.one_by_one:
        return {}
    phase, reason = ended.progress.phase, ended.progress.reason
    return {ref: Verdict(version, phase, reason) for ref, version in ended.objects}


def _versions(held: Iterable[Held]) -> list[str]:
    """The versions of these, which know them from then on: to find out is work."""
    return [each.version for each in held]


def _said(text: str) -> Said:
    try:
        return said_of(text)
    except msgspec.MsgspecError:
        return Said()
