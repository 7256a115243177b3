"""A status of the Gateway API with what we say in it, and what others say left as it is. Pure, plain JSON types.

What is *wanted* is the status without times and generations: `conditions`, and lists of entries that have conditions
of their own (a Gateway's `listeners`, a route's `parents`, a policy's `ancestors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

_NAME: Final = {
    "listeners": ("name",),
    "parents": ("controllerName", "parentRef"),
    "ancestors": ("controllerName", "ancestorRef"),
}
# Of a Gateway or a class itself: who has made it is the only one who says these.
_OURS: Final = ("Accepted", "InsecureFrontendValidationMode", "Programmed", "ResolvedRefs", "SupportedVersion")
_MOST: Final = {"ancestors": 16, "parents": 32}  # so many there may be, of all controllers together
_LONGEST_MESSAGE: Final = 32768


@dataclass(frozen=True, slots=True)
class Moment:
    """What conditions are about, and when: the object's generation, the time as the API has it."""

    generation: int
    now: str


def merged(found: Json, wanted: Json, controllers: Sequence[str], moment: Moment) -> Json | None:
    """The parts of ``found``, a status, that must be written so that it says what is ``wanted``; None when it does.

    ``controllers`` are the names under which we speak: their entries in ``parents`` and ``ancestors`` are ours.
    """
    new: Json = {}
    for part, value in wanted.items():
        known = found.get(part)
        said = _said(part, _entries(known), value, controllers, moment) if isinstance(value, list) else value
        if said != known and (said or known):
            new[part] = said
    return new or None


def _said(part: str, known: list[Json], wanted: list[Json], controllers: Sequence[str], moment: Moment) -> list[Json]:
    """A part that is a list, as it is to be."""
    if part == "conditions":
        return _beside_others(known, wanted, moment)
    if part not in _NAME:
        return wanted
    ours = _of_entries(part, known, wanted, moment)
    return _with_others(known, ours, controllers, _MOST[part]) if part in _MOST else ours


def _of_entries(part: str, known: list[Json], wanted: list[Json], moment: Moment) -> list[Json]:
    """The entries as they are wanted, with the times that their conditions have."""
    before = {_key(part, each): each for each in known}
    ours = []
    for each in wanted:
        old = before.get(_key(part, each), {})
        ours.append({**each, "conditions": _conditions(_entries(old.get("conditions")), each["conditions"], moment)})
    return ours


def _with_others(known: list[Json], ours: list[Json], controllers: Sequence[str], most: int) -> list[Json]:
    """The entries of other controllers in their order, then ours as far as there is room."""
    others = [each for each in known if each.get("controllerName") not in controllers]
    return [*others, *ours[: max(0, most - len(others))]]


def _beside_others(known: list[Json], wanted: list[Json], moment: Moment) -> list[Json]:
    """Our conditions in the places where they were, those of other types as they are."""
    ours = {each["type"]: each for each in _conditions(known, wanted, moment)}
    kept = [ours.pop(each.get("type"), each) for each in known if each.get("type") not in _OURS or each["type"] in ours]
    return [*kept, *ours.values()]


def _conditions(known: list[Json], wanted: list[Json], moment: Moment) -> list[Json]:
    before = {each.get("type"): each for each in known}
    return [_condition(before.get(each["type"], {}), each, moment) for each in wanted]


def _condition(known: Mapping[str, Any], wanted: Mapping[str, Any], moment: Moment) -> Json:
    same = known.get("status") == wanted["status"] and known.get("lastTransitionTime")
    return {
        "type": wanted["type"],
        "status": wanted["status"],
        "reason": wanted["reason"],
        "message": wanted.get("message", "")[:_LONGEST_MESSAGE],
        "observedGeneration": moment.generation,
        "lastTransitionTime": known["lastTransitionTime"] if same else moment.now,
    }


def _key(part: str, entry: Mapping[str, Any]) -> str:
    return repr([_sorted(entry.get(name)) for name in _NAME[part]])


def _sorted(value: Any) -> Any:
    return sorted(value.items()) if isinstance(value, dict) else value


def _entries(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
