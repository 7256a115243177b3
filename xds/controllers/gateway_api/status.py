"""Writes the status of the Gateway API's objects: what differs, and soon; what others say there stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.gateway_api.merging import Json, Moment, merged
from xds.controllers.policies import Places
from xds.controllers.rest import ABSENT, CONFLICT, Rest, is_of_server
from xds.controllers.rounds import Rounds, reason
from xds.events import Event
from xds.kinds.authored import Kind
from xds.model.refs import ObjectRef

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=2)
_GATHER_S: Final = 0.05
_TOGETHER: Final = 8
_PACE_S: Final = 0.08  # of as many: 100 objects a second
_AGAIN_S: Final = 0.2
_LATER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the status of an object is to say (``merging``), of the generation of it that this is about."""

    generation: int
    status: Json


class GatewayStatusWriter:
    """Writes what is ``wanted`` of each object, under the names of ``controllers``, to objects of ``kinds``."""

    def __init__(
        self,
        api_client: Any,
        kinds: Sequence[Kind],
        controllers: Sequence[str],
        wanted: Callable[[], Awaitable[Mapping[ObjectRef, Wanted]]],
    ) -> None:
        self._rest = Rest(api_client)
        self._places = Places(self._rest)
        self._kinds = {(kind.group, kind.name): kind for kind in kinds}
        self._controllers = tuple(controllers)
        self._wanted = wanted
        self._rounds = Rounds(self._look, _EVERY, Event.GATEWAY_STATUS_NOT_WRITTEN)
        self._said: dict[ObjectRef, Wanted] | None = None
        self._not_before: dict[ObjectRef, float] = {}
        self._told: set[str] = set()
        self.writes = 0

    def changed(self) -> None:
        """Something else may be wanted."""
        self._rounds.changed()

    async def run(self) -> None:
        """Keep them up to date, for ever; begins anew each time."""
        self._said, self._not_before = None, {}
        await self._rounds.run()

    async def _look(self) -> None:
        wanted = await self._wanted()
        if self._said is None:
            self._said = await asyncio.to_thread(self._found, wanted)
        said, now = self._said, time.monotonic()
        for known in (said, self._not_before):
            for gone in known.keys() - wanted.keys():
                del known[gone]
        due = [ref for ref, each in wanted.items() if said.get(ref) != each and self._not_before.get(ref, now) <= now]
        for begin in range(0, len(due), _TOGETHER):
            began = time.monotonic()
            some = due[begin : begin + _TOGETHER]
            await asyncio.gather(*(self._bring(ref, wanted[ref], said) for ref in some))
            await asyncio.sleep(max(0.0, _PACE_S - (time.monotonic() - began)))
        if any(each <= time.monotonic() + _LATER_S / 2 for each in self._not_before.values()):
            await asyncio.sleep(_AGAIN_S)
            self._rounds.changed()
        await asyncio.sleep(_GATHER_S)

    async def _bring(self, ref: ObjectRef, wanted: Wanted, said: dict[ObjectRef, Wanted]) -> None:
        """Write what one object is to say. Errors: those of the API server that concern more than this object."""
        if ref not in said and not any(wanted.status.values()):
            said[ref] = wanted  # nobody has said anything of it, nor are we to
            return
        try:
            wrote = await asyncio.to_thread(self._write, ref, wanted)
        except ApiException as error:
            if error.status == CONFLICT:  # somebody else was faster
                self._not_before[ref] = time.monotonic() + _AGAIN_S
                return
            if is_of_server(error):
                raise
            if error.status != ABSENT:  # deleted meanwhile
                self._tell_once(f"{ref.kind} {error.status}", reason(error))
            self._not_before[ref] = time.monotonic() + _LATER_S
            return
        self._not_before.pop(ref, None)
        said[ref] = wanted
        self.writes += wrote

    def _write(self, ref: ObjectRef, wanted: Wanted) -> bool:
        """Whether anything was to be written. Errors: those of ``Rest``; an object that is gone is ABSENT."""
        served = self._places.of_kind(self._kinds[ref.group, ref.kind])
        if served is None or not served.status:
            raise ApiException(status=ABSENT)
        found = self._rest.get(served.path(ref))
        new = self._new(found, wanted)
        if new is None:
            return False
        body = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "status": new}
        self._rest.merge(f"{served.path(ref)}/status", body)
        return True

    def _new(self, found: Json, wanted: Wanted) -> Json | None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = found.get("status")
        known = status if isinstance(status, dict) else {}
        return merged(known, wanted.status, self._controllers, Moment(wanted.generation, now))

    def _found(self, wanted: Mapping[ObjectRef, Wanted]) -> dict[ObjectRef, Wanted]:
        """Which of the objects say already what is wanted of them."""
        said: dict[ObjectRef, Wanted] = {}
        there = {(ref.group, ref.kind) for ref in wanted}  # so that what is not served is not asked for
        for kind in (each for name, each in self._kinds.items() if name in there):
            for found in self._places.all_of(kind):
                metadata = found["metadata"]
                ref = ObjectRef(kind.group, kind.name, metadata.get("namespace", ""), metadata["name"])
                each = wanted.get(ref)
                if each is not None and self._new(found, each) is None:
                    said[ref] = each
                elif each is not None:
                    said[ref] = Wanted(0, {})
        return said

    def _tell_once(self, about: str, why: str) -> None:
        if about not in self._told:
            self._told.add(about)
            log.warning(Event.GATEWAY_STATUS_NOT_WRITTEN, object=about, reason=why)
