"""Which objects are to blame for what Envoy refuses: those without which it would take it.

To find out costs many trials for each refusal, of what would be made without one object after the other. So it is done
within a budget, namespace by namespace in turn: while that is spent nobody is named, and the search goes on later.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from xds.decoders.as_if import as_if
from xds.decoders.build import Builder
from xds.explain.refused import refused
from xds.judging.budget import Budget
from xds.judging.quarantine import Key, Quarantine, Refusal
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.prover.candidate import Verdict
from xds.server import Rejection
from xds.slices import Slices, in_slices
from xds.translators.translate import encoded, named
from xds.validation import violations
from xds.view.graph import Call, Graph
from xds.wire.codec import decode
from xds.wire.resource import Resource

# What stands in everything, and is looked at only where nothing else is to blame.
_COMMON: Final = frozenset(
    {"Namespace", "Pod", "Node", "EndpointSlice", "Service", "Secret", "ConfigMap", "MeshConfig"}
)
_PATCH: Final = "EnvoyFilter"
_MOST: Final = 32
_MOST_SAID: Final = 3
_SOON_S: Final = 1.0

Verdicts = Callable[[Iterable[Resource]], Awaitable[Mapping[Resource, Verdict]]]


class Culprits:
    """Says of each refusal in ``quarantine`` who is to blame. ``verdicts`` judges what would be made otherwise."""

    def __init__(self, quarantine: Quarantine, builder: Builder, verdicts: Verdicts) -> None:
        self._quarantine = quarantine
        self._builder = builder
        self._verdicts = verdicts
        self._known: dict[Key, Mapping[ObjectRef, str]] = {}
        self._budget = Budget(share=0.25, most_s=30.0)
        self.later_s: float | None = None
        """When to ask again, as there was no time to look at all; None where there was."""

    async def problems(self) -> tuple[Problem, ...]:
        """One finding for each object that is to blame, and resource that it spoils."""
        found = self._quarantine.refusals
        self._known = {key: blamed for key, blamed in self._known.items() if key in found}
        self.later_s = None
        for key in self._in_turn(found):
            if self._budget.spent:
                self.later_s = max(_SOON_S, self._budget.back_in_s)
                break
            self._known[key] = await self._blamed(*found[key])
        named = ((key, self._known.get(key, {})) for key in found)
        return tuple(
            refused(ref, key.type_url, key.name, reason) for key, blamed in named for ref, reason in blamed.items()
        )

    def _in_turn(self, found: Mapping[Key, tuple[Refusal, Call]]) -> list[Key]:
        """Those nobody has looked at, such that no namespace's many keep others waiting."""
        seen = Counter(_namespace(found[key][0]) for key in self._known)
        turns: dict[Key, int] = {}
        for key in found:
            if key not in self._known:
                namespace = _namespace(found[key][0])
                turns[key] = seen[namespace]
                seen[namespace] += 1
        return sorted(turns, key=turns.__getitem__)

    async def _blamed(self, refusal: Refusal, leaf: Call) -> Mapping[ObjectRef, str]:
        """Who is to blame, and what is wrong with each."""
        wanted = refusal.resource
        rare = [ref for ref in wanted.provenance if ref.kind not in _COMMON][:_MOST]
        common = [ref for ref in wanted.provenance if ref.kind in _COMMON][:_MOST]
        patches = [ref for ref in rare if ref.kind == _PATCH]
        without = await self._made_of(self._others({ref: (ref,) for ref in (*rare, *common)}, wanted, leaf))
        refused = await self._refused(without)
        for refs in (rare, common):
            if cured := [ref for ref in refs if without[ref] is not None and ref not in refused]:
                return dict.fromkeys(cured, refusal.reason)
            for group in (patches, rare) if refs is rare else ():  # several may be bad
                if spoiling := await self._spoiling_alone(group, wanted, leaf):
                    return spoiling
            if gone := [ref for ref in refs if without[ref] is None]:
                return dict.fromkeys(gone, refusal.reason)
        return dict.fromkeys(patches or rare or wanted.provenance, refusal.reason)

    async def _spoiling_alone(self, refs: Sequence[ObjectRef], wanted: Resource, leaf: Call) -> dict[ObjectRef, str]:
        rest = {ref: tuple(each for each in refs if each != ref) for ref in refs}
        return await self._refused(await self._made_of(self._others(rest, wanted, leaf)))

    async def _made_of(self, others: Slices[dict[ObjectRef, Resource | None]]) -> dict[ObjectRef, Resource | None]:
        return await in_slices(self._budget.charged(others))

    async def _refused(self, others: Mapping[ObjectRef, Resource | None]) -> dict[ObjectRef, str]:
        """What is wrong with each that is there and is not good."""
        there = {ref: other for ref, other in others.items() if other is not None}
        broken = {ref: said for ref, other in there.items() if (said := _broken(other))}
        began = time.monotonic()
        verdicts = await self._verdicts(other for ref, other in there.items() if ref not in broken)
        self._budget.spend(time.monotonic() - began)  # of the prover's time
        found = {
            ref: verdicts[other].reason for ref, other in there.items() if other in verdicts and verdicts[other].refused
        }
        return {**broken, **found}

    def _others(
        self, without: Mapping[ObjectRef, Iterable[ObjectRef]], wanted: Resource, leaf: Call
    ) -> Slices[dict[ObjectRef, Resource | None]]:
        """By each key, what the resource would be without those objects; None: not there."""
        found: dict[ObjectRef, Resource | None] = {}
        for key, refs in without.items():
            snapshot = self._builder.snapshot
            for ref in refs:
                snapshot = as_if(snapshot, ref, (), self._builder.rows(ref))
            try:
                other = _made(Graph(snapshot), leaf, wanted)
            except Exception:  # a leaf that there would not be without the object may not be able to do without it
                other = None
            found[key] = other
            yield
        return found


def _namespace(refusal: Refusal) -> str:
    """The namespace of one who may be to blame."""
    behind = refusal.resource.provenance
    return next((ref.namespace for ref in behind if ref.kind not in _COMMON), behind[0].namespace if behind else "")


def _made(graph: Graph, leaf: Call, wanted: Resource) -> Resource | None:
    for spec in graph.get(leaf):
        made = encoded(*named(spec))
        if (made.type_url, made.name) == (wanted.type_url, wanted.name):
            return Resource(*made)
    return None


def _broken(resource: Resource) -> str:
    return "; ".join(map(str, violations(decode(resource.type_url, resource.body))[:_MOST_SAID]))


def by_fleet(rejections: Iterable[tuple[str, Rejection]], wanted: Callable[[Resource], bool]) -> Iterator[Problem]:
    """The findings about what proxies of one version refuse, as long as it is ``wanted``."""
    for build, each in rejections:
        resource = each.resource
        if wanted(resource):
            rare = [ref for ref in resource.provenance if ref.kind not in _COMMON]
            said = f"says Envoy {build}: {each.reason}"
            yield from (refused(ref, resource.type_url, resource.name, said) for ref in rare or resource.provenance)
