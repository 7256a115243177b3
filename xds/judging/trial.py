"""What Envoy would say to an object that is not stored yet: what the mesh would make of it, judged and thrown away.

It is asked while somebody waits, so it is bounded: what is not judged in time is judged when it is published.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

from xds.decoders.as_if import changed_if
from xds.decoders.row import Row
from xds.explain.refused import refused
from xds.judging.budget import Budget
from xds.judging.proving import Proving
from xds.model.patch import Patch
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.pipeline import Pipeline
from xds.prover.candidate import Verdict
from xds.slices import Slices, in_slices
from xds.translators.translate import encoded, named
from xds.validation import violations
from xds.view.graph import Call, Fork, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.resources import AddedSpec, PatchedSpec, SecretSpec, Spec
from xds.webhooks.validate import Tried
from xds.wire.resource import Resource

_BOUND_S: Final = 0.2
_IN_A_THREAD_S: Final = 2.0
"""How long a thread waits for the event loop, which may be at something else."""

_MOST_CHARGED_S: Final = 10.0
"""So long a prover is busy with one that hangs; what it takes longer is the work of others, before it."""

_MOST_SAID: Final = 3
_PATCH: Final = "EnvoyFilter"


_NOT_TRIED: Final = Tried(whole=False)


class Trial:
    """Tries objects in the mesh that ``pipeline`` serves, with the rules of Envoy and the prover of ``proving``."""

    def __init__(self, pipeline: Pipeline, proving: Proving) -> None:
        self._pipeline = pipeline
        self._proving = proving
        # Who may write objects may have them tried without storing any.
        self._budget = Budget(share=0.2, most_s=2.0)
        self._asking: asyncio.Task[dict[Resource, Verdict]] | None = None

    def from_thread(
        self, loop: asyncio.AbstractEventLoop, ref: ObjectRef, rows: Sequence[Row], before: Sequence[Row]
    ) -> Tried:
        """The same as ``tried``, for who is in another thread than that of ``loop``. Blocks."""
        asked = asyncio.run_coroutine_threadsafe(self.tried(ref, rows, before), loop)
        try:
            return asked.result(_IN_A_THREAD_S)
        except TimeoutError:
            asked.cancel()
            return _NOT_TRIED

    async def tried(self, ref: ObjectRef, rows: Iterable[Row], before: Iterable[Row]) -> Tried:
        """What would be refused were these the rows of ``ref``, in the place of those ``before``."""
        if self._budget.spent:
            return _NOT_TRIED
        broken: list[Problem] = []
        sound: list[Resource] = []
        try:
            async with asyncio.timeout(_BOUND_S):
                await in_slices(self._budget.charged(self._judged(ref, rows, before, broken, sound)))
                verdicts = {} if broken else await self._opinions(sound)
        except TimeoutError:
            return Tried(tuple(broken), whole=False)
        bad = [(each, verdict.reason) for each, verdict in verdicts.items() if verdict.refused]
        broken += [refused(ref, each.type_url, each.name, reason) for each, reason in bad[:_MOST_SAID]]
        return Tried(tuple(broken))

    async def _opinions(self, sound: Sequence[Resource]) -> dict[Resource, Verdict]:
        """What the prover says: it is asked about one object at a time, and has its time even if nobody waits."""
        while self._asking is not None and not self._asking.done():
            await asyncio.wait([self._asking])
        self._asking = asyncio.create_task(self._asked(sound), name="trial")
        return await asyncio.shield(self._asking)

    async def _asked(self, sound: Sequence[Resource]) -> dict[Resource, Verdict]:
        began = time.monotonic()
        try:
            return await self._proving.opinions(sound)
        finally:
            self._budget.spend(min(time.monotonic() - began, _MOST_CHARGED_S))

    def _judged(
        self,
        ref: ObjectRef,
        rows: Iterable[Row],
        before: Iterable[Row],
        broken: list[Problem],
        sound: list[Resource],
    ) -> Slices[None]:
        """Sort what would be sent and is not now: what breaks a rule, and what a prover is to be asked about."""
        graph = self._pipeline.graph
        snapshot, changed = changed_if(graph.snapshot, ref, rows, before)
        fork = Fork(graph, snapshot, changed)
        # What is refused already is the fault of somebody else.
        known = {(key.type_url, key.name) for key in self._pipeline.quarantine.refusals}
        for leaf in (yield from self._leaves(fork)):
            sent = {(each.type_url, each.name, each.body) for each in self._pipeline.made(leaf)}
            for spec in _specs(fork, leaf, ref):
                name, message = named(spec)
                made = encoded(name, message)
                if (made.type_url, made.name) in known or tuple(made) in sent:
                    continue
                if reason := "; ".join(map(str, violations(message)[:_MOST_SAID])):
                    broken.append(refused(ref, made.type_url, made.name, reason))
                else:
                    sound.append(Resource(*made))
            if len(broken) >= _MOST_SAID:
                return
            yield

    def _leaves(self, fork: Fork) -> Slices[list[Call]]:
        """The leaves that may come to something else: those that there are, and those that there would be."""
        found = {each: None for each in fork.suspects if self._pipeline.is_leaf(each)}
        groups = {each: None for each in fork.suspects if self._pipeline.answers(each)}
        for root in (yield from self._roots(fork)):
            groups.pop(root, None)
            groups.update((each, None) for each in _calls(fork, root) if not self._pipeline.answers(each))
            yield
        for group in groups:
            before = set(self._pipeline.answers(group))
            found.update((leaf, None) for leaf in _calls(fork, group) if leaf not in before)
            yield
        return list(found)

    def _roots(self, fork: Fork) -> Slices[list[Call]]:
        """The roots that may answer something else, and those that proxies would have that see another mesh then."""
        found = {root: None for root in self._pipeline.roots if root in fork.suspects}
        for proxy in list(self._pipeline.views):
            wanted = call(proxy_view, proxy)
            if wanted in fork.suspects:
                roots = _calls(fork, wanted)
                found.update((root, None) for root in roots if not self._pipeline.answers(root))
                yield
        return list(found)


def _calls(fork: Fork, wanted: Call) -> tuple[Call, ...]:
    try:
        answer: tuple[Call, ...] = fork.get(wanted)
    except Exception:  # what a maker cannot make is no matter of Envoy's
        return ()
    return answer


def _specs(fork: Fork, leaf: Call, ref: ObjectRef) -> tuple[Spec, ...]:
    """What a leaf would come to, as far as it is the object's own doing."""
    try:
        specs: tuple[Spec, ...] = fork.get(leaf)
    except Exception:  # a leaf that there would not be any more may not be able to do without the object
        return ()
    if ref.kind == _PATCH:
        return tuple(each for each in specs if any(patch.at.object == ref for patch in _patches(each)))
    plain = (each.spec if isinstance(each, PatchedSpec) else each for each in specs)
    return tuple(each for each in plain if not isinstance(each, SecretSpec))


def _patches(spec: Spec) -> tuple[Patch, ...]:
    if isinstance(spec, PatchedSpec):
        return spec.patches
    return (spec.patch,) if isinstance(spec, AddedSpec) else ()
