"""What the control planes of a mesh have agreed on, as text: the rollout under way, and what became of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from xds.model.refs import ObjectRef
from xds.rollout.lead import Round
from xds.rollout.progress import Phase, Progress
from xds.rollout.sight import Sight, bounded, unlimited

MOST_PROMOTED: Final = 200
"""So many verdicts that let through are remembered, for those who hear late; one is 150 bytes."""

MOST_ABORTED: Final = 300
"""So many of those that brought back; who hears of none leaves the object as it was."""

_MOST_REASON: Final = 300
_MOST_WISHES: Final = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a version of an object: ``phase`` is PROMOTED or ABORTED."""

    version: str
    phase: Phase
    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What people want to become of a version of an object: PROMOTED or ABORTED."""

    phase: Phase
    ref: ObjectRef
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """``number`` is that of the newest rollout, ``by`` who has decided last."""

    number: int = 0
    by: str = ""
    round: Round | None = None
    verdicts: Mapping[ObjectRef, Verdict] = field(default_factory=dict)

    @property
    def said(self) -> tuple[object, ...]:
        """What of it matters: all but the times."""
        return self.number, None if self.round is None else self.round.said, dict(self.verdicts)


@dataclass(frozen=True, slots=True)
class Said:
    """What one control plane says: what it sees of the rollout, and what people have told it."""

    sight: Sight | None = None
    wishes: tuple[Wish, ...] = ()


class _Round(msgspec.Struct, frozen=True):
    number: int
    objects: tuple[tuple[ObjectRef, str], ...]
    steps: int
    step: int
    phase: Phase | None
    reason: str
    given: dict[str, int]
    alike: tuple[str, ...]


class _Decision(msgspec.Struct, frozen=True):
    number: int
    by: str
    round: _Round | None
    verdicts: tuple[tuple[ObjectRef, Verdict], ...]


def encoded(decision: Decision) -> str:
    """As JSON."""
    told = decision.round
    made = None
    if told is not None:
        known = told.progress or Progress(0, 0, Phase.ACKNOWLEDGING, 0.0)
        phase = None if told.progress is None else known.phase
        given = dict(sorted(told.given.items()))
        made = _Round(told.number, told.objects, known.steps, known.step, phase, known.reason, given, told.alike)
    verdicts = tuple(decision.verdicts.items())  # the oldest first
    return msgspec.json.encode(_Decision(decision.number, decision.by, made, verdicts)).decode()


def decoded(text: str, now: float) -> Decision:
    """What ``encoded`` has made; its times begin ``now``. Errors: msgspec.MsgspecError."""
    found = msgspec.json.decode(text, type=_Decision)
    told, made = found.round, None
    if told is not None:
        progress = None if told.phase is None else Progress(told.steps, told.step, told.phase, now, told.reason)
        made = Round(told.number, told.objects, now, progress, told.given, told.alike)
    return Decision(found.number, found.by, made, dict(found.verdicts))


def said_text(said: Said) -> str:
    """As JSON, of bounded size."""
    sight = None if said.sight is None else bounded(said.sight)
    return msgspec.json.encode(Said(sight, said.wishes[:_MOST_WISHES])).decode()


def said_of(text: str) -> Said:
    """What ``said_text`` has made. Errors: msgspec.MsgspecError."""
    found = msgspec.json.decode(text, type=Said)
    return found if found.sight is None else replace(found, sight=unlimited(found.sight))


def kept(
    verdicts: Mapping[ObjectRef, Verdict], held: Mapping[ObjectRef, str], now: Mapping[ObjectRef, str]
) -> dict[ObjectRef, Verdict]:
    """Those that still matter: of versions that are ``held`` back here, or let through and still what is ``now``."""
    aborted, promoted = {}, {}
    for ref, each in verdicts.items():
        if each.phase is Phase.ABORTED and held.get(ref) == each.version:
            aborted[ref] = replace(each, reason=each.reason[:_MOST_REASON])
        elif each.phase is Phase.PROMOTED and now.get(ref) == each.version:
            promoted[ref] = each
    return dict([*list(promoted.items())[-MOST_PROMOTED:], *list(aborted.items())[-MOST_ABORTED:]])
