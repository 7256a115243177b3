"""Generations as the replicas of a control plane tell of them (``/debug/history``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xds.cli.control_plane import ControlPlane
from xds.cli.failure import Failure

Told = Mapping[str, Any]
"""One generation, as ``xds.history.page`` has it, and ``replica``: by which it is numbered."""


def latest(to: ControlPlane, replica: str = "", after: int = 0) -> list[Told]:
    """All that are known, of one replica or of all, the oldest first. Errors: Failure."""
    told = _asked(to, replica).ask_each("/debug/history", after=str(after))
    found = []
    for name, answer in told.items():
        if not isinstance(answer, dict) or "generations" not in answer:
            raise Failure(f"the control plane at {name} tells no history: is it of this version?")
        found += [{**each, "replica": name} for each in answer["generations"]]
    return sorted(found, key=lambda each: str(each["at"]))


def rollouts(to: ControlPlane, replica: str = "") -> list[Told]:
    """Changes that roll out in steps and how the latest such have ended, as ``latest``; none of who does not tell."""
    told = _asked(to, replica).ask_each("/debug/history", last="0")
    known = {name: answer.get("rollouts", ()) for name, answer in told.items() if isinstance(answer, dict)}
    return sorted(({**each, "replica": name} for name, tries in known.items() for each in tries), key=_at)


def _at(told: Told) -> str:
    return str(told["at"])


def generation_of(to: ControlPlane, number: int, replica: str = "") -> Told:
    """One generation, with the contents of its objects. Errors: Failure where it is not known, or several have it."""
    told = _asked(to, replica).ask_each("/debug/history", generation=str(number))
    known = [{**each, "replica": name} for name, each in told.items() if each is not None]
    if not known:
        raise Failure(f"generation {number} is not known (any more): plait history shows those that are")
    if len(known) > 1:
        names = ", ".join(sorted(told))
        raise Failure(f"each replica numbers its own generations: say which with --replica, one of {names}")
    return known[0]


def _asked(to: ControlPlane, replica: str) -> ControlPlane:
    if not replica:
        return to
    found = to.one(replica)
    if not found.replicas:
        raise Failure(f"there is no replica {replica!r}: must be one of {to.name}")
    return found
