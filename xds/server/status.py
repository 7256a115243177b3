"""What every connected proxy has: the rows of ``plait proxy-status``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from xds.server.node import Node, Peer
from xds.server.rejections import Rejection
from xds.server.sotw import version_of
from xds.server.stream import Stream
from xds.server.subscription import Subscription
from xds.wire.resource import Layers, find


class State(StrEnum):
    """How a proxy stands with one type of resources."""

    SYNCED = "SYNCED"
    STALE = "STALE"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT SENT"


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type on one stream: its state since when, the version of all that it should hold, and what it refused."""

    type_url: str
    state: State
    version: str
    since: datetime
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream: who is at the other end, since when, the group it is served, and its types."""

    node: Node
    peer: Peer
    group: str
    since: datetime
    types: tuple[TypeStatus, ...]

    @property
    def synced(self) -> bool:
        """Whether the proxy has everything it asked for."""
        return all(each.state is State.SYNCED for each in self.types)


def type_statuses(stream: Stream, now: float, clock: datetime) -> tuple[TypeStatus, ...]:
    """The types of one stream, in ADS order; those in its set that it never asked for as NOT SENT."""
    found = [_status(sub, stream.of(type_url), now, clock) for type_url, sub in stream.subscriptions.items()]
    offered = () if stream.target is None else stream.target.layers
    unasked = [type_url for type_url in offered if type_url not in stream.subscriptions]
    return (*found, *[TypeStatus(type_url, State.NOT_SENT, "", clock) for type_url in unasked])


def _status(sub: Subscription, target: Layers, now: float, clock: datetime) -> TypeStatus:
    rejected = tuple((name, rejection.reason) for name, rejection in _rejected(sub, target))
    state = _state(sub, target)
    parts = [part for table in target if (part := sub.held.concerned(table.everything))]
    since = clock - timedelta(seconds=now - sub.since)
    return TypeStatus(sub.type_url, state, version_of(parts) if parts else "", since, rejected)


def state_of(stream: Stream, type_url: str) -> State:
    """How the proxy at the end of a stream stands with one type: NOT SENT also when it never asked for it."""
    sub = stream.subscriptions.get(type_url)
    return State.NOT_SENT if sub is None else _state(sub, stream.of(type_url))


def _state(sub: Subscription, target: Layers) -> State:
    if _rejected(sub, target):
        return State.REJECTED
    if sub.settled(target):
        return State.SYNCED
    return State.STALE if sub.ever_sent else State.NOT_SENT


def _rejected(sub: Subscription, target: Layers) -> list[tuple[str, Rejection]]:
    """What was refused and is still what the proxy should have, by name."""
    return [
        (name, rejection)
        for name, rejection in sorted(sub.refused.items())
        if rejection.resource.same(find(target, name))
    ]
