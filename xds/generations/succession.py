"""One generation after the other, made of what sources have told; endpoints wait for nothing and nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from xds.decoders.build import Builder
from xds.generations.pending import Pending
from xds.generations.publication import Publication
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.rollout.rollouts import Rollouts
from xds.slices import in_slices
from xds.sources.gateway_names import GatewayNames
from xds.sources.issuer_keys import IssuerKeys
from xds.view.wanted_keys import wanted_keys
from xds.view.wanted_names import gateway_names

_OF_GATEWAYS: Final = frozenset({Table.NETWORK_GATEWAY, Table.EXTERNAL_ADDRESSES})

_SECRET: Final = ("", "Secret")


class Succession:
    """Makes generations of the objects that are ``pending``, as ``rollouts`` lets them, and has them published."""

    def __init__(
        self,
        builder: Builder,
        publication: Publication,
        pending: Pending,
        keys: IssuerKeys,
        names: GatewayNames,
        rollouts: Rollouts,
    ) -> None:
        self._builder = builder
        self._publication = publication
        self._pending = pending
        self._keys = keys
        self._names = names
        self._rollouts = rollouts

    async def endpoints_first(self, debounce: timedelta) -> None:
        """Publish endpoints as they come, for so long as other changes are gathered."""
        until = asyncio.get_running_loop().time() + debounce.total_seconds()
        while True:
            if urgent := self._pending.take_urgent():
                await self.advance(urgent)
            left = until - asyncio.get_running_loop().time()
            if not self._pending or left <= 0:
                return
            await self._pending.more(left)

    async def advance(self, refs: Mapping[ObjectRef, float]) -> None:
        """Work in these objects, told at those times; returns when what they make is judged and published."""
        if not await self._generation(refs):
            await self._judged()
        self._rollouts.published()

    async def _judged(self) -> None:
        """Return when all that is made is published; meanwhile endpoints are, as they come."""
        settling = asyncio.create_task(self._publication.settled(), name="judging")
        settling.add_done_callback(lambda _: self._pending.wake.set())
        try:
            while not settling.done():
                await self._pending.wake.wait()
                self._pending.wake.clear()
                if urgent := self._pending.take_urgent():
                    await self._generation(urgent)
        finally:
            settling.cancel()
        self._pending.wake.set()
        await settling

    async def _generation(self, refs: Mapping[ObjectRef, float]) -> bool:
        """Whether what the objects make is published; of what is to be judged first, only its endpoints are."""
        known = self._rollouts.sorted_out(refs)
        upserts = [(ref, each.struct) for ref, each in known if each is not None]
        deletes = [ref for ref, each in known if each is None]
        self._publication.drained.changed(ref for ref, _ in known)
        keeping = self._shown(ref for ref in deletes if (ref.group, ref.kind) == _SECRET)
        self._rollouts.told(upserts, deletes, keeping)
        await in_slices(self._publication.history.begin(known, refs))
        began = time.monotonic()
        change = await in_slices(self._builder.apply(upserts, deletes, keeping))
        self._publication.history.stage("build", began)
        if self._rollouts.needs_keys or any(each.table is Table.POLICY for each in change.inputs):
            self._keys.want(wanted_keys(change.snapshot) | self._rollouts.wanted_keys())
        if any(each.table in _OF_GATEWAYS for each in change.inputs):
            self._names.want(gateway_names(change.snapshot))
        published = await self._publication.advance(change, refs)
        forgotten = self._builder.kept - self._shown(self._builder.kept)
        if forgotten:  # nobody names them any more
            self._rollouts.told((), forgotten)
            change = await in_slices(self._builder.apply((), forgotten))
            published = await self._publication.advance(change)
        return published

    def _shown(self, secrets: Iterable[ObjectRef]) -> frozenset[ObjectRef]:
        """Those of the Secrets that a gateway or a rule names."""
        wanted = frozenset(secrets)
        return wanted & self._publication.shown() if wanted else wanted
