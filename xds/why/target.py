"""How users name a proxy (``pod``, ``pod.namespace``, ``pod/namespace``, ``deploy/NAME``), and which they mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xds.failure import Failure
from xds.local.state import WORKLOAD_KINDS

_KINDS: Final = {**WORKLOAD_KINDS, "deployments.apps": "Deployment"}


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A proxy that may be meant: its pod, and the workload that made it (``""`` where unknown)."""

    namespace: str
    name: str
    workload: str = ""
    workload_kind: str = ""

    @property
    def label(self) -> str:
        """``name.namespace``, as tables show it."""
        return f"{self.name}.{self.namespace}" if self.namespace else self.name

    @property
    def workload_name(self) -> str:
        """The workload's name; where it is unknown, the pod's without the two generated words at its end."""
        return self.workload or self.name.rsplit("-", 2)[0]


def choose(target: str, namespace: str, candidates: Iterable[Candidate]) -> Candidate:
    """The one proxy that ``target`` names; of a workload's pods the first, of several namespaces ``default``.

    Errors: Failure when there is none, with the nearest names, or when several namespaces have one.
    """
    known = sorted(candidates)
    found = _found(target, namespace, known)
    if not found:
        where = f" in namespace {namespace}" if namespace else ""
        raise Failure(f"no {target!r} is running{where}; {_nearest(target, known)}")
    places = sorted({candidate.namespace for candidate in found})
    if "default" in places:
        return next(candidate for candidate in found if candidate.namespace == "default")
    if len(places) > 1:
        raise Failure(f"{target!r} is in several namespaces, say which with -n: {', '.join(places)}")
    return found[0]


def _found(target: str, namespace: str, known: Sequence[Candidate]) -> list[Candidate]:
    before, slash, after = target.partition("/")
    if not slash:
        return _pods(target, namespace, known)
    kind = _KINDS.get(before.lower())
    if kind is None:
        return _pods(before, after, known)
    if kind == "Pod":
        return _pods(after, namespace, known)
    return [
        candidate
        for candidate in known
        if candidate.workload_kind in (kind, "") and _is(candidate.workload_name, candidate.namespace, after, namespace)
    ]


def _pods(name: str, namespace: str, known: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in known if _is(candidate.name, candidate.namespace, name, namespace)]


def _is(name: str, place: str, wanted: str, namespace: str) -> bool:
    if namespace and place != namespace:
        return False
    return wanted in {name, f"{name}.{place}"}


def _nearest(target: str, known: Sequence[Candidate]) -> str:
    if not known:
        return "nothing is"
    wanted = target.partition("/")[2] or target
    names = {candidate.label for candidate in known}
    near = (
        difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
        or sorted(candidate.label for candidate in known if candidate.name.startswith(wanted))[:3]
    )
    shown = near or sorted(names)[:5]
    return f"{'did you mean' if near else 'there are'}: {', '.join(shown)}"
