"""The audit of a mesh: takes what sidecars report, names it, keeps it, counts it, and logs it without flooding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import structlog

from xds.audit.naming import Naming, OriginOf, WorkloadSecurity
from xds.audit.reading import sightings
from xds.audit.record import CountKey, Record
from xds.audit.refusal import Kind, Refusal, clean
from xds.events import Event
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.server.access_logs import Entry
from xds.server.errors import Denied, Reason
from xds.server.node import Node, Peer

T = TypeVar("T")

log = structlog.get_logger()

_EVENTS: Final = {
    Kind.REFUSED: Event.REQUEST_REFUSED,
    Kind.WOULD_REFUSE: Event.REQUEST_WOULD_BE_REFUSED,
    Kind.AUDITED: Event.REQUEST_AUDITED,
    Kind.HANDSHAKE: Event.HANDSHAKE_FAILED,
}
# The same refusal, again and again, is one event in this time; different ones are as many events in a second.
_AGAIN: Final = timedelta(seconds=10)
_EVENTS_PER_S: Final = 20


class Audit:
    """What is known of refusals. ``snapshot`` is the mesh as it is now, ``origin_of`` where its objects were read."""

    def __init__(self, snapshot: Callable[[], Snapshot], origin_of: OriginOf) -> None:
        self._snapshot = snapshot
        self._origin_of = origin_of
        self._naming: Naming | None = None
        self._log = _Log()
        self.record = Record()

    def take(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        """Work in what a proxy has reported, and how much more it had that was dropped."""
        now, naming = datetime.now(UTC), self.naming()
        for entry in entries:
            for seen in sightings(entry, now):
                refusal = naming.refusal(proxy, seen)
                self._log.tell(self.record.add(refusal), refusal, now)
        if dropped:
            self.record.drop(dropped)
            log.warning(Event.ACCESS_LOGS_DROPPED, proxy=proxy.id, entries=dropped)

    def watching(self, admit: Callable[[Node, Peer], Awaitable[T]]) -> Callable[[Node, Peer], Awaitable[T]]:
        """``admit``, with what it denies told here: who comes with another's token, or with none."""

        async def watched(node: Node, peer: Peer) -> T:
            try:
                return await admit(node, peer)
            except Denied as denied:
                if denied.reason is not Reason.UNAVAILABLE:
                    self._denied(node, peer, str(denied))
                raise

        return watched

    def _denied(self, node: Node, peer: Peer, why: str) -> None:
        now = datetime.now(UTC)
        refusal = self.naming().refused_stream(clean(node.id), peer.host or "unix", clean(why), now)
        self._log.tell(self.record.add(refusal), refusal, now)

    def naming(self) -> Naming:
        """Names in the mesh as it is now."""
        snapshot = self._snapshot()
        if self._naming is None or self._naming.snapshot is not snapshot:
            self._naming = Naming(snapshot, self._origin_of)
        return self._naming

    def workloads(self) -> Iterable[WorkloadSecurity]:
        """All workloads as they are now."""
        return self.naming().workloads()


class _Log:
    """Refusals as events: the first of its kind at once, then one in ten seconds that says how often it was."""

    def __init__(self) -> None:
        self._told: dict[CountKey, datetime] = {}
        self._silent: dict[CountKey, int] = {}
        self._second = 0
        self._events = 0

    def tell(self, key: CountKey, refusal: Refusal, now: datetime) -> None:
        """Log it, or count it for the next one."""
        last = self._told.get(key)
        if (last is not None and now - last < _AGAIN) or not self._has_room(now):
            self._silent[key] = self._silent.get(key, 0) + 1
            return
        self._told[key] = now
        log.warning(
            _EVENTS[refusal.kind],
            source=refusal.source.label,
            source_identity=refusal.source.principal,
            identity_proven=refusal.source.proven,
            source_address=refusal.source.address,
            destination=refusal.destination.label,
            request=refusal.request,
            port=refusal.port,
            answer=refusal.answer,
            why=refusal.why,
            policies=[str(blame.object) for blame in refusal.policies],
            origins=[blame.origin for blame in refusal.policies],
            repeated=self._silent.pop(key, 0),
        )

    def _has_room(self, now: datetime) -> bool:
        second = int(now.timestamp())
        if second != self._second:
            self._second, self._events = second, 0
        self._events += 1
        return self._events <= _EVENTS_PER_S
