"""What layers are made of: the values of makers, and the resources of leaves, judged before anybody is shown them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from xds.events import Event
from xds.judging.instead import hosts_of, passed_by
from xds.judging.quarantine import Quarantine, Refusal, key_of
from xds.model.refs import ObjectRef
from xds.translators.translate import encoded, named
from xds.validation import Violation, violations
from xds.view.graph import Call, Graph
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.observed import UNSTATED
from xds.view.specs.resources import AddedSpec, ConnectionSpec, PatchedSpec, Spec
from xds.wire.codec import decode
from xds.wire.resource import Resource
from xds.wire.type_urls import EXTENSION

log = structlog.get_logger()

Resources = tuple[Resource, ...]
MemoKey = tuple[Spec, frozenset[ObjectRef]]
ToProve = Callable[[Resource], bool]
"""Whether a resource that breaks no rule is still to be judged by a prover."""

_MOST_SAID: Final = 3


def nothing_to_prove(_: Resource) -> bool:
    """The answer of who has no prover."""
    return False


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a leaf came to: ``made`` of its specs, ``shown`` of that, and what was shown when all was good last."""

    specs: tuple[Spec, ...]
    provenance: frozenset[ObjectRef]
    made: Resources
    shown: Resources
    good: Resources = ()


class Leaves:
    """The graph's calls, and the resources of its leaves while any layer follows them."""

    def __init__(self, graph: Graph, quarantine: Quarantine, to_prove: ToProve) -> None:
        self._graph = graph
        self._quarantine = quarantine
        self._to_prove = to_prove
        self._followers: dict[Call, set[Call]] = {}
        self._suspects: dict[Call, set[Call]] = {}
        self._answers: dict[Call, tuple[Call, ...]] = {}
        self._leaves: dict[Call, _Leaf] = {}
        self._specs: weakref.WeakKeyDictionary[Resource, MemoKey] = weakref.WeakKeyDictionary()
        self._memo: weakref.WeakValueDictionary[MemoKey, Resource] = weakref.WeakValueDictionary()

    def doubt(self, suspects: set[Call]) -> None:
        """Sort the suspects of a change by the layers that follow them."""
        self._suspects = {}
        for wanted in suspects:
            for root in self._followers.get(wanted, ()):
                self._suspects.setdefault(root, set()).add(wanted)

    def roots(self, calls: Iterable[Call]) -> set[Call]:
        """The roots of the layers that follow any of these calls."""
        return {root for wanted in calls for root in self._followers.get(wanted, ())}

    def suspects(self, root: Call) -> set[Call]:
        """Those of the suspects that the layer of ``root`` follows."""
        return self._suspects.get(root, set())

    def calls(self, wanted: Call) -> tuple[Call, ...]:
        """The calls that a root or a group answers; those of before where that fails."""
        try:
            self._answers[wanted] = self._graph.get(wanted)
        except Exception:
            self._failed(wanted)
        return self._answers.get(wanted, ())

    def answers(self, wanted: Call) -> tuple[Call, ...]:
        """What a root or a group has answered last."""
        return self._answers.get(wanted, ())

    def made(self, leaf: Call) -> Resources | None:
        """What the specs of a leaf came to last, good or not; None for what is no leaf, or not followed."""
        known = self._leaves.get(leaf)
        return None if known is None else known.made

    def resources(self, leaf: Call) -> Resources:
        """The resources of a leaf; the same tuple as before where nothing is different, or where making them fails."""
        known = self._leaves.get(leaf)
        try:
            specs, provenance = self._graph.get(leaf), self._graph.provenance(leaf)
            if known is None or known.specs is not specs:
                self._show(leaf, specs, provenance, tuple(self._translated(spec, provenance) for spec in specs))
            elif known.provenance != provenance:
                same = zip(specs, known.made, strict=True)
                self._show(leaf, specs, provenance, tuple(self._claimed(*each, provenance) for each in same))
        except Exception:
            self._failed(leaf)
        now = self._leaves.get(leaf)
        return now.shown if now is not None else ()

    def _show(self, leaf: Call, specs: tuple[Spec, ...], provenance: frozenset[ObjectRef], made: Resources) -> None:
        known, good = self._leaves.get(leaf), Resources()
        if known is not None:
            good = known.good or self._quarantine.fine(known.shown)
            good = good if self._quarantine.waits(leaf) else known.shown
        shown = self._quarantine.shown(leaf, made, good)
        self._leaves[leaf] = _Leaf(specs, provenance, made, shown, good if self._quarantine.waits(leaf) else ())

    def show_again(self, leaves: Iterable[Call]) -> None:
        """Look anew at what may be shown of these."""
        for leaf in leaves:
            known = self._leaves.get(leaf)
            if known is not None:
                self._leaves[leaf] = replace(known, shown=self._quarantine.shown(leaf, known.made, known.good))

    def making(self, resources: Collection[Resource]) -> set[Call]:
        """The leaves that make any of these: all are looked through, which is for what happens seldom."""
        keys = {key_of(each) for each in resources}
        if not keys:
            return set()
        found = [leaf for leaf, known in self._leaves.items() if any(key_of(each) in keys for each in known.made)]
        return set(found)

    def agreed(self, leaves: Iterable[Call]) -> None:
        """Something of these was judged: where nothing waits any more, what was before is not needed any more."""
        for leaf in leaves:
            known = self._leaves.get(leaf)
            if known is not None and not self._quarantine.waits(leaf):
                self._leaves[leaf] = replace(known, good=())

    def judging(self, kept: Callable[[Resource], Resource | None]) -> Callable[[Resource], Resource | None]:
        """What ``kept`` answers, if it breaks no rule; it is judged as everything is."""

        def found(wanted: Resource) -> Resource | None:
            resource = kept(wanted)
            if resource is None or violations(decode(resource.type_url, resource.body)):
                return None
            if self._to_prove(resource):
                self._quarantine.ask(resource)
            return resource

        return found

    def patched_alone(self, resource: Resource) -> Resources:
        """What a resource would be with each of its patches alone, in their order; nothing where it has none."""
        spec, _ = self._behind(resource)
        if not isinstance(spec, PatchedSpec):
            return ()
        return tuple(Resource(*encoded(*named(replace(spec, patches=(patch,))))) for patch in spec.patches)

    def refusal(self, resource: Resource, reason: str, bad_hosts: frozenset[str], bad: Collection[int]) -> Refusal:
        """The refusal of a resource of which these virtual hosts, or the patches of these numbers, are bad."""
        spec, provenance = self._behind(resource)
        return self._refusal(resource, reason, bad_hosts, spec, provenance, bad)

    def _refusal(
        self,
        resource: Resource,
        reason: str,
        bad_hosts: frozenset[str],
        spec: Spec | None,
        provenance: frozenset[ObjectRef],
        bad: Collection[int],
    ) -> Refusal:
        if isinstance(spec, PatchedSpec):
            kept = tuple(each for number, each in enumerate(spec.patches) if number not in bad)
            lesser = replace(spec, patches=kept) if kept and len(kept) < len(spec.patches) else spec.spec
            return Refusal(resource, reason, repaired=self._translated(lesser, provenance))
        if isinstance(spec, AddedSpec) and resource.type_url == EXTENSION:
            return Refusal(resource, reason, otherwise=passed_by(resource))
        if isinstance(spec, ListenerSpec | ConnectionSpec) and spec.observed != UNSTATED:
            # What a Telemetry says may be what is bad, and is not worth a listener.
            usual = self._translated(replace(spec, observed=UNSTATED), provenance)
            return Refusal(resource, reason, bad_hosts, otherwise=usual)
        return Refusal(resource, reason, bad_hosts)

    def _behind(self, resource: Resource) -> tuple[Spec | None, frozenset[ObjectRef]]:
        return self._specs.get(resource, (None, frozenset()))

    @staticmethod
    def _failed(wanted: Call) -> None:
        # A bug of ours in one maker or translator must not stop the others: what it made last stays in force.
        log.exception(Event.TRANSLATION_FAILED, maker=wanted.maker.__name__, arguments=repr(wanted.args))

    def follow(self, wanted: Call, root: Call) -> None:
        """Keep ``wanted`` alive for the layer of ``root``."""
        self._followers.setdefault(wanted, set()).add(root)

    def unfollow(self, wanted: Call, root: Call) -> None:
        """Take that back."""
        roots = self._followers.get(wanted)
        if roots is None:
            return
        roots.discard(root)
        if not roots:
            del self._followers[wanted]
            self._answers.pop(wanted, None)
            leaf = self._leaves.pop(wanted, None)
            if leaf is not None:
                self._quarantine.forget(wanted)
            self._graph.release(wanted)

    def _claimed(self, spec: Spec, known: Resource, provenance: frozenset[ObjectRef]) -> Resource:
        """The resource of a spec that is what it was, but from other objects."""
        resource = self._memo.get((spec, provenance))
        if resource is None:
            resource = Resource(known.type_url, known.name, known.body, provenance)
            self._memo[spec, provenance] = resource
        return resource

    def _translated(self, spec: Spec, provenance: frozenset[ObjectRef]) -> Resource:
        key = (spec, provenance)
        resource = self._memo.get(key)
        if resource is None:
            name, message = named(spec)
            broken = violations(message)
            type_url, name, body = encoded(name, message)
            resource = self._memo[key] = Resource(type_url, name, body, provenance)
            if isinstance(spec, PatchedSpec | AddedSpec | ListenerSpec | ConnectionSpec):
                self._specs[resource] = key
            if broken:
                lawless = _lawless(spec) if isinstance(spec, PatchedSpec) else ()
                refusal = self._refusal(resource, _said(broken), _bad_hosts(resource), spec, provenance, lawless)
                self._quarantine.refuse(refusal)
            elif self._to_prove(resource):
                self._quarantine.ask(resource)
        return resource


def _lawless(spec: PatchedSpec) -> list[int]:
    alone = [named(replace(spec, patches=(patch,)))[1] for patch in spec.patches]
    return [number for number, message in enumerate(alone) if violations(message)]


def _bad_hosts(table: Resource) -> frozenset[str]:
    hosts = hosts_of(table)
    return frozenset(name for name, each in hosts.items() if violations(decode(each.type_url, each.body)))


def _said(broken: tuple[Violation, ...]) -> str:
    more = f" (and {len(broken) - _MOST_SAID} more)" if len(broken) > _MOST_SAID else ""
    return "; ".join(map(str, broken[:_MOST_SAID])) + more
