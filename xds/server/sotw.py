"""The state-of-the-world protocol: what its requests say, and its responses as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server.batch import Answer, Batch
from xds.server.errors import LimitExceeded
from xds.server.held import UNKNOWN
from xds.server.names import Names
from xds.server.offer import take, take_removals
from xds.server.rejections import Rejection, Rejections
from xds.server.stream import Stream
from xds.server.subscription import Subscription
from xds.server.whole import take_whole, take_whole_without
from xds.wire import protobuf
from xds.wire.difference import Difference
from xds.wire.resource import Layers
from xds.wire.type_urls import NAMED

ALL: Final = "*"


class SotwSubscription(Subscription):
    """One type on a state-of-the-world stream, with one response under way at a time: only the last nonce counts.

    ``whole``: a response of this type lists all there is, and what it does not list is removed (clusters, listeners).
    Of the other types a response lists what changed. ``version`` and ``nonce`` are those sent last, ``claimed_version``
    is the one the client came with, ``lingering`` the resources that are no longer wanted but not to be removed yet.
    """

    def __init__(self, type_url: str, names: Names, rejections: Rejections) -> None:
        super().__init__(type_url, names, rejections, window=1)
        self.whole = type_url not in NAMED
        self.nonce = ""
        self.version = ""
        self.barred = ""
        self.claimed_version = ""
        self.lingering: dict[str, Difference] = {}

    def pending(self, target: Layers, *, held_back: bool = False) -> bool:
        """As for delta; a client that came with a version is pending until that was compared."""
        return (bool(self.claimed_version) and not held_back) or super().pending(target, held_back=held_back)

    def state(self, target: Layers) -> tuple[Difference, ...]:
        """All that the client should hold of ``target``."""
        return tuple([part for table in target if (part := self.held.concerned(table.everything))])

    def compare(self, target: Layers) -> None:
        """Hold the client to be at ``target`` if the version it came with says so."""
        claimed, self.claimed_version = self.claimed_version, ""
        if claimed == version_of(self.state(target)):
            self.held.base = target
            self.due = False

    def is_barred(self, parts: Sequence[Difference]) -> bool:
        """Whether the client has just refused exactly this state."""
        return bool(self.barred) and self.barred == version_of(parts)

    def rejected(self, batch: Batch, reason: str, node_id: str) -> Rejection | None:
        """The client has refused ``batch``. A whole state is not sent again, unless its culprit can be told."""
        if not self.whole:
            return super().rejected(batch, reason, node_id)
        self.unanswered -= 1
        changes = [resource for part in batch.changes or () for resource in part.changed]
        if len(changes) != 1:
            self.barred = self.version
            return None
        return self.condemn(changes[0], replace(batch, had=UNKNOWN), reason, node_id)


def version_of(parts: Sequence[Difference]) -> str:
    """The version of a state: a hash of its names and versions, so that it survives a restart."""
    if len(parts) == 1:
        return parts[0].digest.hex()
    return hashlib.blake2b(b"".join([part.digest for part in parts]), digest_size=8).hexdigest()


class SotwStream(Stream):
    """A stream that is told the whole state of a type, or what changed of it where the protocol has it so."""

    def receive(self, request: discovery_pb2.DiscoveryRequest, now: float) -> Answer | None:
        """Take a request in; the answer to the last response that it carries, if any.

        A request with an old nonce is ignored: the client sends another when it has read our last response.
        Errors: LimitExceeded.
        """
        sub, first = self.subscription(request.type_url, now)
        assert isinstance(sub, SotwSubscription)
        answer = None
        if not first:
            if request.response_nonce != sub.nonce:
                return None
            reason = request.error_detail.message if request.HasField("error_detail") else None
            answer = self.settle(sub, sub.nonce, reason, now)
        elif sub.whole:
            sub.claimed_version = request.version_info
        self._read(sub, request.resource_names, first=first)
        return answer

    def new_subscription(self, type_url: str) -> Subscription:
        """The state of a type not asked for so far."""
        return SotwSubscription(type_url, self.names, self.rejections)

    def next_batch(self, sub: Subscription, target: Layers, now: float, *, held_back: bool) -> Batch | None:
        """What to send next of one type, noted as sent."""
        assert isinstance(sub, SotwSubscription)
        if sub.claimed_version:
            sub.compare(target)
        if sub.whole:
            return take_whole(sub, target, now, held_back=held_back)
        while (batch := take(sub, target, now, held_back=held_back)) is not None and not batch.parts:
            sub.accepted(batch)  # there is no way to say that something does not exist
        return batch

    def last_batch(self, sub: Subscription, target: Layers, withheld_before: float) -> Batch | None:
        """The removals of one type whose turn has come, noted as sent."""
        assert isinstance(sub, SotwSubscription)
        if sub.whole:
            return take_whole_without(sub, target, withheld_before)
        batch = take_removals(sub, target, withheld_before)
        if batch is None or batch.parts:
            return batch
        sub.accepted(batch)
        return None

    def encode(self, sub: Subscription, nonce: str, batch: Batch) -> tuple[bytes, ...]:
        """A DiscoveryResponse: fields version_info 1, resources 2, type_url 4, nonce 5."""
        assert isinstance(sub, SotwSubscription)
        parts = batch.parts if sub.whole else sub.state(self.of(sub.type_url))
        sub.nonce, sub.version = nonce, version_of(parts)
        head = protobuf.text(1, sub.version) + protobuf.text(4, sub.type_url) + protobuf.text(5, nonce)
        return (head, *[part.sotw_items for part in batch.parts])

    def _read(self, sub: SotwSubscription, wanted: Iterable[str], *, first: bool) -> None:
        held = sub.held
        names = sub.names.spelled(wanted, self.of(sub.type_url))
        unnamed = not names and sub.whole and (first or (held.wildcard and not held.names))
        wildcard = ALL in names or unnamed
        names = sub.names.same(names - {ALL})
        if len(names) > self.settings.max_names:
            raise LimitExceeded(f"more than {self.settings.max_names} names of {sub.type_url}")
        added, gone = names - held.names, held.names - names
        if wildcard and not held.wildcard:
            held.restate()
            sub.unsettled.update(held.deviations)
        if first or added or wildcard != held.wildcard:
            sub.due = sub.whole or (first and wildcard)
        held.wildcard, held.names = wildcard, names
        if gone:
            held.fresh = sub.names.same(held.fresh - gone)
            sub.drop(gone)
        if added and not sub.whole:
            sub.ask(sub.names.same(added))
