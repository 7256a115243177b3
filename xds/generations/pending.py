"""What sources have told and is not worked in yet; endpoints first, as they do not wait for others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from xds.model.refs import ObjectRef

_ENDPOINTS: Final = "EndpointSlice"
_DEMAND: Final = "Demand"  # a request waits for it
_PODS: Final = "Pod"


class Pending:
    """The names of objects that are others than what was last made of them."""

    def __init__(self) -> None:
        self._refs: dict[ObjectRef, float] = {}
        self.wake = asyncio.Event()
        """Set when there may be something to do."""

    def __bool__(self) -> bool:
        return bool(self._refs)

    def __contains__(self, ref: ObjectRef) -> bool:
        return ref in self._refs

    def add(self, refs: Iterable[ObjectRef]) -> None:
        """Have these worked in."""
        now = time.monotonic()
        for ref in refs:
            self._refs.setdefault(ref, now)
        self.wake.set()

    def take(self) -> Mapping[ObjectRef, float]:
        """All of them, no longer pending, with when each was told first. Units: seconds of the monotonic clock."""
        found, self._refs = self._refs, {}
        return found

    def take_urgent(self) -> Mapping[ObjectRef, float]:
        """Those of endpoints, if there are any, with the pods whose labels put them into subsets; as ``take``."""
        urgent = [ref for ref in self._refs if ref.kind in (_ENDPOINTS, _DEMAND)]
        if urgent:
            urgent += [ref for ref in self._refs if ref.kind == _PODS]
        return {ref: self._refs.pop(ref) for ref in urgent}

    async def more(self, limit_s: float) -> None:
        """Return when something has happened, or so many seconds have passed."""
        try:
            async with asyncio.timeout(limit_s):
                await self.wake.wait()
                self.wake.clear()
        except TimeoutError:
            return
