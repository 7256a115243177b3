"""What follows from what control planes see of a rollout of their mesh: who moves how many proxies, its end. Pure.

A control plane alone is the leader of a mesh of one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from xds.model.refs import ObjectRef
from xds.rollout.cohort import Place, sizes
from xds.rollout.judge import Call, Judgement, judge
from xds.rollout.progress import ABORTED_BY_HAND, ENDED, UNKNOWN, Phase, Plan, Progress, Seen, begun, following
from xds.rollout.sight import Figures, Sight, together
from xds.rollout.signals import INBOUND_STREAMS, TCP, TOTAL, Streams, with_total
from xds.rollout.vanished import vanished

PREPARED_S: Final = 20.0
"""Who has not said anything by then is not waited for; its proxies come in the last step."""

_FOLLOWED_S: Final = 120.0

Objects = tuple[tuple[ObjectRef, str], ...]
"""Objects, and which version of each: of some content and generation."""


@dataclass(frozen=True, slots=True)
class Round:
    """One rollout, as all control planes of a mesh agree on it: how far it is; None while they make themselves ready.

    ``given`` is how many of its own proxies each has to have moved, by its name; ``alike`` are the workloads of these.
    Units: ``since`` is when it, or its step, began, of the monotonic clock of the one that leads.
    """

    number: int
    objects: Objects
    since: float = 0.0
    progress: Progress | None = None
    given: Mapping[str, int] = field(default_factory=dict)
    alike: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.progress is not None and self.progress.phase in ENDED

    @property
    def last(self) -> bool:
        """Whether everybody is moved now."""
        return self.progress is not None and self.progress.step + 1 >= self.progress.steps

    @property
    def one_by_one(self) -> bool:
        """Whether it came back, and whose change did harm is not known: each namespace's are to be tried apart."""
        known = self.progress
        back = known is not None and known.phase is Phase.ABORTED and known.reason != ABORTED_BY_HAND
        return back and len({ref.namespace for ref, _ in self.objects}) > 1

    @property
    def counts_itself(self) -> bool:
        """Whether it changes what proxies count: what they count no more is not missed then."""
        return any(ref.group == "telemetry.istio.io" for ref, _ in self.objects)

    @property
    def said(self) -> tuple[object, ...]:
        """What of it matters to others: all but the times."""
        known = self.progress
        how = None if known is None else (known.steps, known.step, known.phase, known.reason)
        return self.number, self.objects, how, dict(self.given), self.alike

    def ended(self, phase: Phase, reason: str, now: float) -> Round:
        """The same, at that end."""
        known = self.progress or Progress(0, 0, phase, now)
        return replace(self, progress=replace(known, phase=phase, since=now, reason=reason))


def decided(
    known: Round, sights: Mapping[str, Sight], expected: Collection[str], plan: Plan, now: float
) -> tuple[Round, Judgement]:
    """How far it is after that was seen, by name of the control plane; and what the figures say.

    ``expected`` are those that are to make themselves ready before it begins.
    """
    mine = {name: each for name, each in sorted(sights.items()) if each.number == known.number}
    if known.over:
        return known, UNKNOWN
    if known.progress is None:
        return _first(known, mine, expected, now), UNKNOWN
    there = [mine[name] for name, count in known.given.items() if count and name in mine]
    if not known.last and not any(each.affected for each in there) and any(each.affected for each in mine.values()):
        # Those who had them are gone: others take their place.
        progress = replace(known.progress, phase=Phase.ACKNOWLEDGING, since=now)
        return _given(replace(known, progress=progress, given={}), mine, now), UNKNOWN
    return _next(known, mine, plan, now)


def _first(known: Round, mine: Mapping[str, Sight], expected: Collection[str], now: float) -> Round:
    if troubles := _troubles(mine):
        return known.ended(Phase.ABORTED, "; ".join(troubles), now)
    missing = not mine or any(name not in mine for name in expected)
    if missing and now - known.since < PREPARED_S:
        return known
    progress = begun(len(sizes(sum(each.affected for each in mine.values()))), now)
    return _given(replace(known, progress=progress), mine, now)


def _next(known: Round, mine: Mapping[str, Sight], plan: Plan, now: float) -> tuple[Round, Judgement]:
    progress = known.progress
    assert progress is not None
    behind = [name for name, each in mine.items() if not _is_there(name, each, known)]
    if behind and progress.phase is Phase.ACKNOWLEDGING:
        reasons = _troubles(mine)
        if now - known.since > _FOLLOWED_S:
            reasons += (f"{', '.join(behind)} did not follow",)
        if reasons:
            return known.ended(Phase.ABORTED, "; ".join(reasons), now), UNKNOWN
        return replace(known, progress=replace(progress, since=now)), UNKNOWN  # time to answer begins when all have it
    acknowledged = all(each.acknowledged for name, each in mine.items() if known.last or known.given.get(name))
    judgement = UNKNOWN
    if progress.phase is not Phase.ACKNOWLEDGING:
        judgement = judged(together(mine), counts_itself=known.counts_itself)
    after = following(progress, Seen(acknowledged, _troubles(mine), judgement), plan, now)
    found = replace(known, progress=after)
    if after.step != progress.step:
        return _given(found, mine, now), judgement
    alike = tuple(sorted({each for sight in mine.values() for each in sight.alike}))
    return replace(found, alike=alike), judgement


def _is_there(name: str, sight: Sight, known: Round) -> bool:
    """Whether a control plane has moved those whom it was given."""
    assert known.progress is not None
    if not known.last and not known.given.get(name):
        return True
    return sight.step == known.progress.step and (known.last or sight.moved >= min(known.given[name], sight.affected))


def _troubles(sights: Mapping[str, Sight]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trouble for each in sights.values() for trouble in each.troubles))


def _given(known: Round, mine: Mapping[str, Sight], now: float) -> Round:
    """The same, with how many each has to move in its step, which begins now."""
    affected = {name: each.affected for name, each in mine.items() if each.affected}
    if known.progress is None or known.last or not affected:
        return replace(known, given=affected, since=now)
    wanted = sizes(sum(affected.values()))
    count = wanted[min(known.progress.step, len(wanted) - 1)]
    places = {name: mine[name].place for name in affected}
    return replace(known, given=allotted(count, affected, known.given, places), since=now)


def allotted(
    count: int, affected: Mapping[str, int], had: Mapping[str, int], places: Mapping[str, Place | None]
) -> dict[str, int]:
    """How many of ``count`` proxies each control plane moves: as large a share as it has of the affected.

    Nobody moves fewer than it had, so there may be a few more; the only one is that of the best place.
    """
    found = {name: min(had.get(name, 0), affected[name]) for name in affected}
    if not any(found.values()):
        found[min(affected, key=lambda name: (places[name] is None, places[name] or (), name))] = 1
    whole = sum(affected.values())
    wanted = {name: count * number / whole for name, number in affected.items()}
    while sum(found.values()) < count:
        # whose share is missing most
        name = max(affected, key=lambda each: (wanted[each] - found[each], each))
        found[name] += 1
    return {name: number for name, number in found.items() if number}


def judged(told: Figures, *, counts_itself: bool = False) -> Judgement:
    """What the figures of all control planes together say.

    Where the change ``counts_itself``, nothing follows from what is not counted any more.
    """
    rest = with_total(told.rest) if told.replicas else _outbound(told.others)
    before = with_total(told.rest_before) if told.replicas else _outbound(told.others_before)
    cohort, past = with_total(told.cohort), with_total(told.cohort_before)
    if counts_itself:
        cohort = {name: each for name, each in cohort.items() if not name.endswith(TCP)}
    found = judge(cohort, rest, past)
    if counts_itself or not told.settled or found.call is Call.ABORT:
        return found
    longer = told.cohort_known.times(told.rest_known if told.replicas else told.others_known)
    gone = vanished(cohort, past, rest, before, longer)
    return Judgement(Call.ABORT, gone, found.requests) if gone else found


def _outbound(streams: Streams) -> Streams:
    """What others ask of others can be compared; what they are asked themselves cannot."""
    return {name: counts for name, counts in streams.items() if name not in INBOUND_STREAMS | {TOTAL}}
