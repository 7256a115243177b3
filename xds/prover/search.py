"""Which of many candidates are bad: a refused batch is halved, one that ends an Envoy is gone through one by one.

An Envoy that ends, or hangs, has to be started anew, which takes long: so each candidate of such a batch is asked about
by itself, in order, and the one at which it ends again is to blame if it does so once more in an Envoy that has seen
nothing else. That is three Envoys for a bad one, whatever the size of the batch. One that gets no answer hangs an Envoy
only if the next one answers for what is known to be good: a machine that has no time for it condemns nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from xds.prover.candidate import PROVEN, UNPROVEN, Candidate, Outcome, Verdict
from xds.prover.exchange import Gone
from xds.prover.inert import stand_in
from xds.prover.questions import Numbered, excused, in_own_words
from xds.wire.codec import encode
from xds.wire.type_urls import CLUSTER

DEADLY: Final = Verdict(Outcome.REFUSED, "Envoy crashes when it reads it")
HANGS: Final = Verdict(Outcome.REFUSED, "Envoy hangs when it reads it")
CONTROL: Final = "control"
"""The name of a candidate that is good."""

_ANSWER_S: Final = 2.0
_SURELY_S: Final = 3.0
"""What is granted to one candidate before it is said to hang: a thousand times what it takes."""

Found = dict[int, Verdict]


class Asked(Protocol):
    """An Envoy that can be asked, as ``Questions`` does."""

    async def ask(self, part: Sequence[Numbered], limit_s: float) -> str | None:
        """Why it refuses candidates of one type; None when it takes them. Errors: Gone."""

    async def take_back(self, type_url: str, limit_s: float) -> None:
        """Have it drop what it was asked about last. Errors: Gone."""


class Search:
    """Has ``questions`` asked; ``present`` waits for an Envoy that is started anew, and says whether there is one."""

    def __init__(self, questions: Asked, present: Callable[[], Awaitable[bool]]) -> None:
        self._questions = questions
        self._present = present

    async def verdicts(self, batch: Sequence[Numbered], found: Found) -> None:
        """Put the verdict on each candidate, all of one type, into ``found`` under its number.

        Errors: Gone, where the prover is away and does not come back; some are without a verdict then.
        """
        pending = [tuple(batch)]
        while pending:
            part = pending.pop()
            if not part:
                continue
            try:
                reason = await self._ask(part, _ANSWER_S)
            except Gone:
                await self._one_by_one(part, found)
                continue
            if reason is None:
                found.update((number, PROVEN) for _, number in part)
            elif len(part) == 1:
                found[part[0][1]] = _verdict(part[0], reason)
            else:
                middle = len(part) // 2
                pending += [part[middle:], part[:middle]]

    async def _one_by_one(self, part: Sequence[Numbered], found: Found) -> None:
        if len(part) == 1:
            found[part[0][1]] = await self._by_itself(part[0])
            return
        before: Numbered | None = None
        for each in part:
            try:
                found[each[1]] = _verdict(each, await self._ask((each,), _ANSWER_S))
            except Gone:
                found[each[1]] = await self._by_itself(each)
                # It may have ended only when it was to drop what came before.
                if not found[each[1]].refused and before is not None and found[before[1]] is PROVEN:
                    found[before[1]] = await self._by_itself(before)
            before = each

    async def _by_itself(self, each: Numbered) -> Verdict:
        """The verdict on one at which an Envoy has ended, or hung; somebody else may have ended it."""
        if not await self._present():
            raise Gone("does not come back")
        try:
            reason = await self._questions.ask((each,), _SURELY_S)
            await self._questions.take_back(each[0].type_url, _SURELY_S)
        except Gone as gone:
            if gone.silent:
                await self._control(each[1])
            return HANGS if gone.silent else DEADLY
        return _verdict(each, reason)

    async def _control(self, number: int) -> None:
        """Ask the next Envoy for as long about what is good. Errors: Gone, where it has no answer to that either."""
        good = Candidate(CLUSTER, encode(stand_in(CONTROL)), CONTROL)
        await self._ask(((good, number),), _SURELY_S)

    async def _ask(self, part: Sequence[Numbered], limit_s: float) -> str | None:
        if not await self._present():
            raise Gone("does not come back")
        return await self._questions.ask(part, limit_s)


def _verdict(each: Numbered, reason: str | None) -> Verdict:
    if reason is None:
        return PROVEN
    return UNPROVEN if excused(reason) else Verdict(Outcome.REFUSED, in_own_words(reason, each[0]))
