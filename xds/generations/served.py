"""Which generations of objects proxies are served now, for who writes that down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from xds.controllers.policies import COUNTED_KINDS
from xds.model.refs import ObjectRef
from xds.sources.store import ObjectStore

_PATIENCE_S: Final = 1.0


class Generations:
    """Which generation of each object that conditions are written for the proxies are served now.

    ``idle`` is set while nothing that the store has is still to be served; ``held`` answers the generations of those
    objects of which not all proxies are served what the store has (0: none of it).
    """

    def __init__(
        self, store: ObjectStore, idle: asyncio.Event, held: Callable[[], Mapping[ObjectRef, int]] = dict
    ) -> None:
        self._store = store
        self._held = held
        self._idle = idle
        self._known: dict[ObjectRef, int] = {}

    async def served(self) -> Mapping[ObjectRef, int]:
        """The generations. While changes follow each other without a pause, those of the last one."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not self._idle.is_set():  # it may be cleared again before we run
                    await self._idle.wait()
        except TimeoutError:
            return self._known
        kinds = [self._store.of_kind(*kind) for kind in COUNTED_KINDS]
        self._known = {**{each.ref: each.generation for found in kinds for each in found}, **self._held()}
        return self._known
