"""Kubernetes Events on objects that are refused, or whose configuration a proxy refuses; by the one that leads.

They are of core/v1, which `kubectl describe` and `kubectl get events` show. One Event an object and reason: what
happens again counts it up, also when another leads by then.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.conditions import REJECTED, sentence, shortened
from xds.controllers.live_count import LiveCount
from xds.controllers.policies import Places
from xds.controllers.replica import Replica
from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest, is_of_server
from xds.controllers.rounds import Rounds, reason
from xds.events import Event
from xds.model.api_path import collection, item
from xds.model.problem import Problem, Severity
from xds.model.refs import ObjectRef
from xds.model.revision import of_revision
from xds.model.well_known import CONTROL_PLANE, OURS

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=1)
_BURST: Final = 50
_A_SECOND: Final = 10.0
_MOST_WAITING: Final = 1000
_MOST_MESSAGE: Final = 1000  # of characters; an Event's may have 1024

NORMAL: Final = "Normal"
WARNING: Final = "Warning"


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said about an object; ``reason`` is one word, ``type`` Normal or Warning."""

    ref: ObjectRef
    type: str
    reason: str
    message: str


class ObjectEvents:
    """Says what has become of objects: refused and why, accepted again, refused by a proxy.

    ``problems`` answers what is wrong now, ``counts`` what proxies have refused (None: not known yet). At most 10 a
    second, 50 at once; of what waits longer than that the oldest is dropped.
    """

    def __init__(
        self,
        api_client: Any,
        replica: Replica,
        problems: Callable[[], Iterable[Problem]],
        counts: Callable[[], Mapping[ObjectRef, LiveCount] | None],
    ) -> None:
        self._rest = Rest(api_client)
        self._places = Places(self._rest)
        self._replica = replica
        self._problems = problems
        self._counts = counts
        self._rounds = Rounds(self._look, _EVERY, Event.OBJECT_EVENT_NOT_WRITTEN)
        self._known: frozenset[Said] = frozenset()
        self._before_us = True
        self._waiting: dict[Said, bool] = {}  # and whether it may have been said by who led before
        self._tokens = float(_BURST)
        self._at = time.monotonic()
        self._trouble = ""

    async def run(self) -> None:
        """Say, for ever; begins anew each time."""
        self._known, self._before_us, self._waiting = frozenset(), True, {}
        await self._rounds.run()

    async def _look(self) -> None:
        counts = self._counts()
        if counts is None:
            return
        now = frozenset((*_refused(self._problems()), *_rejected(counts)))
        for said in sorted(now - self._known, key=str):
            self._enqueue(said)
        still = {said.ref for said in now if said.reason != REJECTED}
        gone = {said.ref for said in self._known - now if said.reason != REJECTED} - still
        for ref in sorted(gone):
            self._enqueue(Said(ref, NORMAL, "Accepted", "accepted again: nothing is wrong with it any more"))
        self._known, self._before_us = now, False
        await self._say()

    def _enqueue(self, said: Said) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting.setdefault(said, self._before_us)

    async def _say(self) -> None:
        now = time.monotonic()
        self._tokens = min(float(_BURST), self._tokens + (now - self._at) * _A_SECOND)
        self._at = now
        while self._waiting and self._tokens >= 1:
            said = next(iter(self._waiting))
            self._tokens -= 1
            try:
                await asyncio.to_thread(self._write, said, self._waiting[said])
            except ApiException as error:
                if is_of_server(error):
                    raise
                self._tell(error)
            self._waiting.pop(said, None)

    def _write(self, said: Said, maybe_said: bool) -> None:
        involved = self._involved(said.ref)
        if involved is None:
            return
        every = collection("", "v1", "events", said.ref.namespace or "default")
        name, now = self._name(said, involved["uid"]), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = shortened(said.message)[:_MOST_MESSAGE]
        try:
            known = self._rest.get(item(every, name))
        except ApiException as error:
            if error.status != ABSENT:
                raise
            self._create(every, name, said, involved, now)
            return
        if maybe_said and known.get("message") == message:
            return
        body = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": now, "message": message}
        self._rest.merge(item(every, name), body)

    def _create(self, every: str, name: str, said: Said, involved: Json, now: str) -> None:
        component = of_revision(CONTROL_PLANE, self._replica.revision)
        body = {
            "metadata": {"name": name, "labels": dict(OURS)},
            "involvedObject": involved,
            "type": said.type,
            "reason": said.reason,
            "message": shortened(said.message)[:_MOST_MESSAGE],
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": self._replica.pod,
        }
        try:
            self._rest.create(every, body)
        except ApiException as error:
            if error.status != CONFLICT:
                raise

    def _involved(self, ref: ObjectRef) -> Json | None:
        """The object as the API server has it now; None where it has none."""
        served = self._places.of(ref)
        if served is None:
            return None
        try:
            metadata = self._rest.get(served.path(ref))["metadata"]
        except ApiException as error:
            if error.status != ABSENT:
                raise
            return None
        return {
            "apiVersion": served.api_version,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }

    def _name(self, said: Said, uid: str) -> str:
        told = f"{uid}/{said.type}/{said.reason}/{self._replica.revision}"
        return f"{said.ref.name[:200]}.{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def _tell(self, error: ApiException) -> None:
        text = reason(error)
        if text != self._trouble:
            self._trouble = text
            log.warning(Event.OBJECT_EVENT_NOT_WRITTEN, reason=text)


def _refused(problems: Iterable[Problem]) -> Iterable[Said]:
    for problem in problems:
        if problem.severity is Severity.ERROR:
            yield Said(problem.at.object, WARNING, problem.code, sentence(problem))


def _rejected(counts: Mapping[ObjectRef, LiveCount]) -> Iterable[Said]:
    for ref, count in counts.items():
        for each in count.rejections:
            told = f"rejected by {each.proxy}: {' '.join(each.reason.split())} (resource {each.resource})"
            yield Said(ref, WARNING, REJECTED, told)
