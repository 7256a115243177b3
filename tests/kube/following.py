"""A Kubernetes source that is being read into a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar

from tests.kube.waiting import until
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.sources.changes import Replaced, Transaction
from xds.sources.kube_health import KindHealth
from xds.sources.kubernetes import KubernetesSource
from xds.sources.store import ObjectStore


class Following:
    """What a source has told since it was opened: the transactions, and the store that they make."""

    def __init__(self, source: KubernetesSource) -> None:
        self.source = source
        self.store = ObjectStore([source.name])
        self.told: list[Transaction] = []

    nothing: ClassVar = KindHealth()

    @property
    def first(self) -> frozenset[ObjectRef]:
        """The names of the objects in the Replaced that it began with."""
        assert isinstance(self.told[0], Replaced)
        return frozenset(found.ref for found in self.told[0].objects)

    def has(self, ref: ObjectRef) -> bool:
        """Whether the object is there."""
        return self.store.get(ref) is not None

    def struct(self, ref: ObjectRef) -> Any:
        """The object as it is now."""
        found = self.store.get(ref)
        assert found is not None
        return found.struct

    def origin(self, ref: ObjectRef) -> Origin:
        """Where the object was read as it is now."""
        found = self.store.get(ref)
        assert found is not None
        return found.origin

    def problems(self, ref: ObjectRef) -> list[Problem]:
        """What is wrong with an object."""
        return [problem for problem in self.store.problems() if problem.at.object == ref]

    async def read(self) -> None:
        """Read for ever."""
        async with aclosing(self.source.changes()) as changes:
            async for change in changes:
                self.told.append(change)
                self.store.apply(change)


@asynccontextmanager
async def following(client: Any, *, synced: bool = True, **named: str) -> AsyncIterator[Following]:
    """A source of that cluster while it is read; ``synced`` waits for its first transaction."""
    seen = Following(KubernetesSource(client, name="kubernetes:test", **named))
    reading = asyncio.create_task(seen.read())
    try:
        if synced:
            await until(lambda: reading.done() or bool(seen.told))
        yield seen
        assert not reading.done(), reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
