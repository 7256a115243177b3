"""State of the world for types whose responses list all there is: what is left out is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xds.server.batch import Batch
from xds.wire.difference import Difference
from xds.wire.resource import Layers, Resource, steps
from xds.wire.type_urls import REMOVED_LAST

if TYPE_CHECKING:
    from xds.server.sotw import SotwSubscription


def take_whole(sub: SotwSubscription, target: Layers, now: float, *, held_back: bool) -> Batch | None:
    """The whole of ``target``, noted as sent; None when the client has it, or is still reading the last one."""
    if sub.unanswered or not sub.pending(target, held_back=held_back) or (held_back and not sub.due):
        return None
    prior, due = sub.held.base, sub.due
    changes = tuple([part for each in steps(prior, target) if (part := sub.held.concerned(each))])
    for part in changes:
        _linger(sub, part, prior, now)
    again = bool(sub.unsettled)
    sub.held.base, sub.due = target, False
    sub.unsettled.clear()
    parts = _listed(sub, target)
    if not (due or changes or again) or (not due and sub.is_barred(parts)):
        return None
    sub.unanswered += 1
    return Batch(parts, prior=prior, changes=changes)


def take_whole_without(sub: SotwSubscription, target: Layers, withheld_before: float) -> Batch | None:
    """The whole of ``target`` without those that were only lingering; None when there are none."""
    gone = [name for name, since in sub.withheld.items() if since <= withheld_before]
    if not gone or sub.unanswered:
        return None
    for name in gone:
        del sub.withheld[name]
        sub.lingering.pop(name, None)
    sub.unanswered += 1
    return Batch(_listed(sub, target), tuple(sorted(gone)), prior=sub.held.base, changes=())


def _linger(sub: SotwSubscription, part: Difference, prior: Layers, now: float) -> None:
    """Keep what is gone in the list until nothing refers to it."""
    for name in part.names & sub.lingering.keys():
        del sub.lingering[name], sub.withheld[name]
    for name in part.removed if sub.type_url in REMOVED_LAST else ():
        before = sub.wanted(name, prior)  # what was refused is not kept in the list
        if isinstance(before, Resource):
            sub.lingering[name] = Difference((before,))
            sub.withheld.setdefault(name, now)


def _listed(sub: SotwSubscription, target: Layers) -> tuple[Difference, ...]:
    parts = sub.state(target)
    if sub.rejections.any_of(sub.type_url):
        wanted = [sub.wanted(resource.name, target) for part in parts for resource in part.changed]
        parts = (Difference.of([resource for resource in wanted if isinstance(resource, Resource)]),)
    return (*parts, *[sub.lingering[name] for name in sorted(sub.lingering)])
