"""One stream's protocol as a state machine, without I/O: requests in, the next response out, in the order of ADS."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from xds.server.batch import Answer, Batch
from xds.server.errors import LimitExceeded
from xds.server.gate import Gate
from xds.server.names import NONE, Names
from xds.server.rejections import Rejections
from xds.server.settings import ServerSettings
from xds.server.subscription import Subscription
from xds.wire.resource import Layers, ResourceSet, find
from xds.wire.type_urls import (
    ADS_ORDER,
    CLUSTER,
    ENDPOINT,
    EXTENSION,
    REFERRING,
    REMOVED_LAST,
)

# Responses with clusters that are remembered until the client asks for their endpoints; it does so after the first.
_CLUSTER_RESPONSES: Final = 15
_LONGEST_REASON: Final = 64 * 1024  # a request may be 16 MiB, and reasons are kept, logged and shown
_RANK: Final = {type_url: rank for rank, type_url in enumerate(ADS_ORDER)}
# What a filter configuration or a route may still use when the set has it no more, until its change was acknowledged.
_REFERRED_TO: Final = frozenset({CLUSTER, ENDPOINT, EXTENSION})


class Stream(ABC):
    """What one connection asked for, was sent and has acknowledged, of all types.

    Use: ``offer`` the set it should have, hand every request to ``receive``, and write what ``pull`` returns, one by
    one as the connection takes them, until it returns None. Nothing is queued: what is pulled is the way to the latest
    set. ``now`` is in seconds, of any clock that never goes back.
    """

    def __init__(self, node_id: str, names: Names, rejections: Rejections, settings: ServerSettings) -> None:
        self.node_id = node_id
        self.settings = settings
        self.names = names
        self.rejections = rejections.of_one()
        self.subscriptions: dict[str, Subscription] = {}
        self.target: ResourceSet | None = None
        self.gate = Gate(settings.hold_s)
        self.pulled = ""  # the type of the latest response
        self._sent: dict[str, tuple[Subscription, Batch]] = {}
        self._nonces = 0
        self._clusters_sent: list[frozenset[str]] = []

    @abstractmethod
    def receive(self, request: Any, now: float) -> Answer | None:
        """Take a request in; the answer to an earlier response that it carries, if any.

        Errors: LimitExceeded.
        """

    def offer(self, resources: ResourceSet) -> None:
        """Make ``resources`` what the client should have; earlier offers that it did not get are forgotten."""
        self.target = resources

    def pull(self, now: float) -> tuple[bytes, ...] | None:
        """The next response as pieces of its bytes, noted as sent; None when there is nothing to say before the next
        request, offer or deadline.

        Clusters come before their endpoints, those before listeners and routes; removals last, after the ACKs of all
        else.
        """
        if self.target is None:
            return None
        closed = self.gate.closed(now)
        for type_url, sub in self.subscriptions.items():
            layers = self.target.of(type_url)
            held_back = closed and type_url in REFERRING
            if sub.pending(layers, held_back=held_back):
                batch = self.next_batch(sub, layers, now, held_back=held_back)
                if batch is not None:
                    return self.send(sub, batch, now)
                # Clusters that the client has no room for yet: what refers to them must not overtake them.
                closed = closed or (type_url == CLUSTER and sub.unanswered >= sub.window)
        return None if closed else self._removals(now)

    def settle(self, sub: Subscription, nonce: str, reason: str | None, now: float) -> Answer | None:
        """Take the answer to the response of that nonce; None for a nonce not sent."""
        sent = self._sent.get(nonce)
        if sent is None or sent[0] is not sub:
            return None
        del self._sent[nonce]
        batch, found, type_url = sent[1], None, sub.type_url
        sub.since = now
        if reason is None:
            sub.accepted(batch)
            if type_url == ENDPOINT and self.gate.deadline is not None:
                self.gate.acknowledged([name for part in batch.parts for name in part.names])
        else:
            reason = _fit(reason)
            found = sub.rejected(batch, reason, self.node_id)
        return Answer(type_url, batch, reason, found)

    def deadline(self) -> float | None:
        """When ``pull`` may have something to say although nothing happens until then; None: never."""
        times = [] if self.gate.deadline is None else [self.gate.deadline]
        extensions = self.subscriptions.get(EXTENSION)
        if extensions is not None and extensions.withheld:
            times.append(min(extensions.withheld.values()) + self.settings.drain_s)
        return min(times, default=None)

    def restless(self) -> bool:
        """Whether ``pull`` may have something to say now; cheaper than to try."""
        target = self.target
        if target is None:
            return False
        return any(sub.withheld or sub.pending(target.of(type_url)) for type_url, sub in self.subscriptions.items())

    def removals_wait(self, now: float) -> bool:
        """Whether nothing is to be removed yet."""
        return False

    def take_asked(self) -> frozenset[str]:
        """The virtual hosts that the client has asked for on demand since this was called last.

        Those count, too, that an earlier server gave it so and the set has not.
        """
        return NONE

    def settled(self) -> bool:
        """Whether the client has answered for all of the set that was offered last, as far as it subscribes to it."""
        target = self.target
        if target is None:
            return False
        return all(sub.settled(target.of(type_url)) for type_url, sub in self.subscriptions.items())

    def unanswered(self, sub: Subscription) -> list[Batch]:
        """The responses of one type that the client has not answered yet."""
        return [batch for each, batch in self._sent.values() if each is sub]

    @abstractmethod
    def new_subscription(self, type_url: str) -> Subscription:
        """The state of a type not asked for so far."""

    @abstractmethod
    def next_batch(self, sub: Subscription, target: Layers, now: float, *, held_back: bool) -> Batch | None:
        """What to send next of one type, noted as sent."""

    @abstractmethod
    def last_batch(self, sub: Subscription, target: Layers, withheld_before: float) -> Batch | None:
        """The removals of one type whose turn has come, noted as sent."""

    @abstractmethod
    def encode(self, sub: Subscription, nonce: str, batch: Batch) -> tuple[bytes, ...]:
        """The response that says ``batch``, in pieces, most of which are shared by many streams."""

    def of(self, type_url: str) -> Layers:
        """What the client should have of one type."""
        return () if self.target is None else self.target.of(type_url)

    def subscription(self, type_url: str, now: float) -> tuple[Subscription, bool]:
        """The state of a type, and whether this is the first request for it."""
        known = self.subscriptions.get(type_url)
        if known is not None:
            return known, False
        if len(self.subscriptions) >= self.settings.max_types:
            raise LimitExceeded(f"more than {self.settings.max_types} resource types")
        sub = self.new_subscription(type_url)
        sub.since = now
        if type_url == ENDPOINT:
            sub.owed = self.names.same(frozenset[str]().union(*self._clusters_sent))
            self._clusters_sent.clear()
        known_types = {**self.subscriptions, type_url: sub}
        self.subscriptions = dict(sorted(known_types.items(), key=lambda item: _RANK.get(item[0], len(_RANK))))
        return sub, True

    def send(self, sub: Subscription, batch: Batch, now: float) -> tuple[bytes, ...]:
        """The response that says ``batch``, whose answer is awaited from now on."""
        self._nonces += 1
        self.pulled = sub.type_url
        nonce = str(self._nonces)
        self._sent[nonce] = (sub, batch)
        sub.ever_sent = True
        if sub.unanswered == 1:
            sub.since = now
        if sub.type_url == CLUSTER:
            self._follow_clusters(batch, now)
        return self.encode(sub, nonce, batch)

    def _follow_clusters(self, batch: Batch, now: float) -> None:
        """Have the endpoints of clusters sent again behind them: a changed cluster warms until they come, and Envoy
        does
        not ask for them (envoy-facts 7). Hold routes back until new clusters have theirs.
        """
        endpoints = self.subscriptions.get(ENDPOINT)
        news = batch.parts if batch.changes is None else batch.changes
        for part in news:
            refers_to = part.refers_to
            if endpoints is None:
                self._clusters_sent = [*self._clusters_sent[-_CLUSTER_RESPONSES:], refers_to]
            elif again := endpoints.held.names & refers_to:
                endpoints.owe(self.names.same(again))
        if batch.lacked is not None:
            new = [r for part in news for r in part.changed if r.name in batch.lacked]
        elif batch.prior:
            new = [r for part in news for r in part.changed if find(batch.prior, r.name) is None]
        else:
            return
        layers = self.of(ENDPOINT)
        self.gate.close([r.refers_to for r in new if r.refers_to and find(layers, r.refers_to) is not None], now)

    def _removals(self, now: float) -> tuple[bytes, ...] | None:
        if self.removals_wait(now):
            return None
        # Endpoints refer to nothing: under a steady stream of their changes removals would never have their turn.
        if any(sub.type_url != ENDPOINT for sub, _ in self._sent.values()):
            return None
        if not any(sub.withheld for sub in self.subscriptions.values()):
            return None
        target = self.target or ResourceSet({})
        for type_url in REMOVED_LAST:
            sub = self.subscriptions.get(type_url)
            if sub is None or not sub.withheld or (type_url in _REFERRED_TO and self._last_good_in_use()):
                continue
            before = now - self.settings.drain_s if type_url == EXTENSION else now
            batch = self.last_batch(sub, target.of(type_url), before)
            if batch is not None:
                return self.send(sub, batch, now)
        return None

    def _last_good_in_use(self) -> bool:
        """Whether the client keeps an older listener or route than the set has, which may refer to what has gone."""
        return any(
            rejection.resource.type_url in REFERRING
            and rejection.resource.same(find(self.of(rejection.resource.type_url), rejection.resource.name))
            for rejection in self.rejections
        )


def _fit(reason: str) -> str:
    """A client's words as they may stand on a terminal: whoever has taken a proxy over writes what he likes."""
    reason = reason[:_LONGEST_REASON]
    if reason.replace("\n", "").isprintable():
        return reason
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in reason)
