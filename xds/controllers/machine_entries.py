"""WorkloadEntries of machines that join by themselves, in the API server: for other replicas, and across restarts.

Each replica writes those of the machines that are connected to it, with its name, and renews them; it removes what is
still its own. What nobody has renewed for a while is removed by whoever sees it first: its replica has died.
Source: istio-semantics 1.6 (the annotations are istiod's).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest, is_of_server
from xds.controllers.rounds import Rounds, reason
from xds.events import Event
from xds.model.api_path import collection, item
from xds.model.refs import ObjectRef

log = structlog.get_logger()

CONTROLLER: Final = "istio.io/workloadController"
RENEWED: Final = "machines.plait.dev/renewedAt"
EVERY: Final = timedelta(seconds=30)
RENEW: Final = timedelta(minutes=1)
STALE: Final = timedelta(minutes=3)
_FIELD_MANAGER: Final = "plait-machines"


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """A WorkloadEntry that the API server has: its annotations, and its resourceVersion."""

    ref: ObjectRef
    annotations: Mapping[str, str]
    resource_version: str


class MachineEntries:
    """Keeps what ``wanted`` says in the API server, as ``replica``; ``known`` are all entries that it has.

    ``now`` is the time of day, which replicas must agree on but for a minute.
    """

    def __init__(
        self,
        api_client: Any,
        replica: str,
        wanted: Callable[[], Mapping[ObjectRef, Json]],
        known: Callable[[], Iterable[KnownEntry]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rest = Rest(api_client)
        self._replica = replica
        self._wanted = wanted
        self._known = known
        self._now = now
        self._written: dict[ObjectRef, tuple[Json, float]] = {}
        self._rounds = Rounds(self.round, EVERY, Event.MACHINE_ENTRY_NOT_WRITTEN)

    def changed(self) -> None:
        """Machines have come or gone."""
        self._rounds.changed()

    async def run(self) -> None:
        """Work, for ever; ends when cancelled."""
        await self._rounds.run()

    async def round(self) -> None:
        """Write what is wanted, remove what no longer is. Errors: as Rest, where the API server is in trouble."""
        wanted, known = dict(self._wanted()), {each.ref: each for each in self._known()}
        for ref, body in sorted(wanted.items()):
            if self._is_due(ref, body, known.get(ref)):
                await self._one(self._write, ref, body)
        for ref in sorted(self._written.keys() - wanted.keys()):
            await self._one(self._remove_own, ref)
        for ref, entry in sorted(known.items()):
            if ref not in wanted and self._is_stale(entry):
                await self._one(self._delete, ref, entry.resource_version)

    def _is_due(self, ref: ObjectRef, body: Json, there: KnownEntry | None) -> bool:
        written, at = self._written.get(ref, ({}, 0.0))
        if written != body or at < time.monotonic() - RENEW.total_seconds():
            return True
        return there is None or there.annotations.get(CONTROLLER) != self._replica

    async def _one(self, work: Callable[..., None], ref: ObjectRef, *more: Any) -> None:
        """One entry: what the API server refuses is that one's matter."""
        try:
            await asyncio.to_thread(work, ref, *more)
        except ApiException as error:
            if is_of_server(error):
                raise
            log.warning(Event.MACHINE_ENTRY_NOT_WRITTEN, entry=str(ref), reason=reason(error))

    def _write(self, ref: ObjectRef, body: Json) -> None:
        metadata = body["metadata"]
        own = {CONTROLLER: self._replica, RENEWED: self._now().isoformat(timespec="seconds")}
        annotated = {**metadata, "annotations": {**metadata.get("annotations", {}), **own}}
        self._rest.apply(_path(ref), {**body, "metadata": annotated}, _FIELD_MANAGER)
        self._written[ref] = (body, time.monotonic())

    def _remove_own(self, ref: ObjectRef) -> None:
        try:
            metadata = self._rest.get(_path(ref)).get("metadata", {})
        except ApiException as error:
            if error.status != ABSENT:
                raise
            metadata = {}
        # The machine may be connected to another replica by now, which has put its name there.
        if metadata.get("annotations", {}).get(CONTROLLER) == self._replica:
            self._delete(ref, metadata["resourceVersion"])
        self._written.pop(ref, None)

    def _delete(self, ref: ObjectRef, resource_version: str) -> None:
        try:
            self._rest.delete(_path(ref), resource_version)
        except ApiException as error:
            if error.status not in (ABSENT, CONFLICT):
                raise

    def _is_stale(self, entry: KnownEntry) -> bool:
        renewed = entry.annotations.get(RENEWED, "")
        try:
            return bool(renewed) and datetime.fromisoformat(renewed) < self._now() - STALE
        except (ValueError, TypeError):  # no time, or one of no zone: nobody of ours wrote it
            return False


def _path(ref: ObjectRef) -> str:
    return item(collection(ref.group, "v1", "workloadentries", ref.namespace), ref.name)
