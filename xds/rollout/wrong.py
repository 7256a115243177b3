"""What is wrong with objects, as far as rollouts know: which came back and why, and what an annotation says in vain."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.rollout.held import HeldObjects, State
from xds.rollout.marks import ANNOTATION, AT_ONCE, STAGED


def wrong(objects: HeldObjects) -> Iterator[Problem]:
    """Which of these came back, and why; and whose annotation is not understood.

    Problems: rollout.aborted, rollout.unknown.
    """
    aborted = [(ref, each.reason) for ref, each in objects.held.items() if each.state is State.ABORTED]
    for ref, reason in sorted(aborted):
        yield _rolled_back(ref, reason)
    for ref, said in sorted(objects.misspelt.items()):
        yield _not_understood(ref, said)


def _not_understood(ref: ObjectRef, said: str) -> Problem:
    at = FieldRef(ref, ("metadata", "annotations")).key(ANNOTATION)
    message = f"must be {STAGED} or {AT_ONCE}, is {said!r}: it counts for nothing"
    return Problem(at, "rollout.unknown", message, Severity.WARNING)


def _rolled_back(ref: ObjectRef, reason: str) -> Problem:
    at = FieldRef(ref, ("metadata", "annotations")).key(ANNOTATION)
    message = f"was rolled back, proxies have what was before: {reason}; change it, or plait rollout promote"
    return Problem(at, "rollout.aborted", message, Severity.ERROR)
