"""Which objects are to blame for what Envoy refuses: those without which it would take it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from xds.decoders.as_if import as_if
from xds.decoders.build import Builder
from xds.explain.refused import refused
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.prover.candidate import Verdict
from xds.quarantine import Key, Quarantine, Refusal
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

Verdicts = Callable[[Iterable[Resource]], Awaitable[Mapping[Resource, Verdict]]]


class Culprits:
    """Says of each refusal in ``quarantine`` who is to blame. ``verdicts`` judges what would be made otherwise."""

    def __init__(self, quarantine: Quarantine, builder: Builder, verdicts: Verdicts) -> None:
        self._quarantine = quarantine
        self._builder = builder
        self._verdicts = verdicts
        self._known: dict[Key, Mapping[ObjectRef, str]] = {}

    async def problems(self) -> tuple[Problem, ...]:
        """One finding for each object that is to blame, and resource that it spoils."""
        found = self._quarantine.refusals
        self._known = {key: blamed for key, blamed in self._known.items() if key in found}
        problems: list[Problem] = []
        for key, (refusal, leaf) in found.items():
            if key not in self._known:
                self._known[key] = await self._blamed(refusal, leaf)
            blamed = self._known[key].items()
            problems += [refused(ref, key.type_url, key.name, reason) for ref, reason in blamed]
        return tuple(problems)

    async def _blamed(self, refusal: Refusal, leaf: Call) -> Mapping[ObjectRef, str]:
        """Who is to blame, and what is wrong with each."""
        wanted = refusal.resource
        rare = [ref for ref in wanted.provenance if ref.kind not in _COMMON][:_MOST]
        common = [ref for ref in wanted.provenance if ref.kind in _COMMON][:_MOST]
        patches = [ref for ref in rare if ref.kind == _PATCH]
        without = await in_slices(self._others({ref: (ref,) for ref in (*rare, *common)}, wanted, leaf))
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
        return await self._refused(await in_slices(self._others(rest, wanted, leaf)))

    async def _refused(self, others: Mapping[ObjectRef, Resource | None]) -> dict[ObjectRef, str]:
        """What is wrong with each that is there and is not good."""
        there = {ref: other for ref, other in others.items() if other is not None}
        broken = {ref: said for ref, other in there.items() if (said := _broken(other))}
        verdicts = await self._verdicts(other for ref, other in there.items() if ref not in broken)
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
