"""Conditions on the objects that users write, by the control plane that leads: `Accepted`, and `Live n of m`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.conditions import conditions, merged, prefix_of, stated, types_of
from xds.controllers.live_count import NOWHERE, LiveCount
from xds.controllers.policies import POLICY_KINDS, Places, Served, is_policy
from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest, is_of_server
from xds.controllers.rounds import Rounds, reason
from xds.controllers.turns import OBJECTS_A_ROUND, Turns, Wanted
from xds.events import Event
from xds.kinds.authored import Kind
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.slices import Slices, in_slices

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=1)
_PACE_S: Final = 0.05  # 20 objects a second
_AGAIN_S: Final = 1.0
_LATER_S: Final = 30.0
_OBJECTS_A_SLICE: Final = 64


class Held(Protocol):
    """An object in force, as the store has it."""

    @property
    def ref(self) -> ObjectRef:
        """Its name."""
        ...

    @property
    def generation(self) -> int:
        """The generation of its content."""
        ...


class StatusWriter:
    """Writes our own conditions of Istio's kinds through the status subresource, and leaves all others alone.

    ``objects`` answers those in force of a group and kind, ``problems`` what is wrong, ``counts`` all proxies' counts
    (None: not known yet). What the API server has already is not written again, by this leader or the next.
    """

    def __init__(
        self,
        api_client: Any,
        revision: str,
        objects: Callable[[str, str], Iterable[Held]],
        problems: Callable[[], Iterable[Problem]],
        counts: Callable[[], Mapping[ObjectRef, LiveCount] | None],
    ) -> None:
        self._rest = Rest(api_client)
        self._places = Places(self._rest)
        self._prefix = prefix_of(revision)
        self._objects = objects
        self._problems = problems
        self._counts = counts
        self._rounds = Rounds(self._look, _EVERY, Event.STATUS_NOT_WRITTEN)
        self._turns: Turns | None = None
        self._told: set[tuple[str, str]] = set()
        self.writes = 0

    async def run(self) -> None:
        """Keep the conditions up to date, for ever; begins anew each time."""
        self._turns = None
        await self._rounds.run()

    async def _look(self) -> None:
        if self._turns is None:
            self._turns = Turns(await asyncio.to_thread(self._list), time.monotonic())
        wanted = await in_slices(self._all_wanted())
        due = await in_slices(self._turns.due(wanted, time.monotonic()))
        if len(due) == OBJECTS_A_ROUND:  # and there may be more
            self._rounds.changed()
        for ref in due:
            began = time.monotonic()
            await self._bring(ref, wanted[ref], self._turns)
            await asyncio.sleep(max(0.0, _PACE_S - (time.monotonic() - began)))

    def _all_wanted(self) -> Slices[dict[ObjectRef, Wanted]]:
        problems: dict[ObjectRef, list[Problem]] = {}
        for problem in self._problems():
            if is_policy(problem.at.object):
                problems.setdefault(problem.at.object, []).append(problem)
        counts, found = self._counts(), dict[ObjectRef, Wanted]()
        generations = {each.ref: each.generation for group, kind in POLICY_KINDS for each in self._objects(group, kind)}
        for number, ref in enumerate(dict.fromkeys((*generations, *problems))):
            of_one = problems.get(ref, [])
            count = None if counts is None else counts.get(ref, NOWHERE)
            wanted = conditions(of_one, count, generation=generations.get(ref, 0), prefix=self._prefix)
            versions = {each.origin.resource_version for each in of_one if each.origin is not None}
            found[ref] = Wanted(wanted, ",".join(sorted(versions)))
            if number % _OBJECTS_A_SLICE == 0:
                yield
        return found

    async def _bring(self, ref: ObjectRef, wanted: Wanted, turns: Turns) -> None:
        """Write what one object is to say. Errors: those of the API server that concern more than this object."""
        try:
            wrote = await asyncio.to_thread(self._write, ref, wanted)
        except ApiException as error:
            turns.postpone(ref, time.monotonic() + self._patience_s(ref, error))
            return
        if wrote is None:
            turns.postpone(ref, time.monotonic() + _LATER_S)
            return
        turns.says(ref, wanted, time.monotonic())
        self.writes += wrote

    def _write(self, ref: ObjectRef, wanted: Wanted) -> bool | None:
        """Whether anything was to be written; None where the API server has no such object, or no status for it."""
        served = self._places.of(ref)
        if served is None or not self._has_status(served):
            return None
        found = self._rest.get(served.path(ref))
        metadata, now = found["metadata"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = stated(found)
        new = merged(known, wanted.conditions, metadata.get("generation", 0), now)
        if new is None:
            return False
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": new}}
        self._rest.merge(f"{served.path(ref)}/status", body)
        return True

    def _patience_s(self, ref: ObjectRef, error: ApiException) -> float:
        """When to try again. Errors: ``error``, where the API server itself is in trouble."""
        if error.status == CONFLICT:  # somebody else was faster
            return _AGAIN_S
        if is_of_server(error):
            raise error
        if error.status != ABSENT:  # deleted meanwhile
            self._tell_once(f"{ref.kind} {error.status}", reason(error), Event.STATUS_NOT_WRITTEN)
        return _LATER_S

    def _has_status(self, served: Served) -> bool:
        if not served.status:
            why = f"the definition of {served.kind.plural}.{served.kind.group} has no status subresource"
            self._tell_once(served.kind.name, why, Event.STATUS_NOT_SUPPORTED)
        return served.status

    def _tell_once(self, about: str, why: str, event: Event) -> None:
        if (about, event) not in self._told:
            self._told.add((about, event))
            log.warning(event, kind=about.partition(" ")[0], reason=why)

    def _list(self) -> dict[ObjectRef, list[Json]]:
        """The conditions of ours that all objects have now."""
        found: dict[ObjectRef, list[Json]] = {}
        for served, each in self._places.with_status():
            if ours := _ours(each, self._prefix):
                found[_ref(served.kind, each)] = ours
        return found


def _ref(kind: Kind, found: Json) -> ObjectRef:
    metadata = found["metadata"]
    return ObjectRef(kind.group, kind.name, metadata.get("namespace", ""), metadata["name"])


def _ours(found: Json, prefix: str) -> list[Json]:
    known = stated(found)
    return [each for each in known if each.get("type") in types_of(prefix)]
