"""The incremental protocol: what its requests say, and its responses as bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server.absent import aliased_item, denied_item
from xds.server.batch import Answer, Batch
from xds.server.errors import LimitExceeded
from xds.server.names import NONE, Names
from xds.server.offer import take, take_removals
from xds.server.rejections import Rejections
from xds.server.settings import ServerSettings
from xds.server.stream import Stream
from xds.server.subscription import Subscription
from xds.server.vhds import VirtualHosts
from xds.wire import protobuf
from xds.wire.resource import Layers, find
from xds.wire.type_urls import NAMED, ROUTE, VIRTUAL_HOST

ALL: Final = "*"


class DeltaStream(Stream):
    """A stream that is told what changed, by resource."""

    def __init__(self, node_id: str, names: Names, rejections: Rejections, settings: ServerSettings) -> None:
        super().__init__(node_id, names, rejections, settings)
        self.hosts = VirtualHosts(names, self.rejections, settings.max_unanswered, settings.on_demand_wait_s)
        self._settled_after: float | None = None  # of who has come anew: until then nothing is removed

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest, now: float) -> Answer | None:
        """Take a request in; the answer to an earlier response that it carries, if any.

        Errors: LimitExceeded.
        """
        sub, first = self.subscription(request.type_url, now)
        if request.initial_resource_versions and len(self.subscriptions) == 1:
            self._settled_after = now + self.settings.on_demand_wait_s
        answer = None
        if request.response_nonce:
            reason = request.error_detail.message if request.HasField("error_detail") else None
            answer = self.settle(sub, request.response_nonce, reason, now)
        if first or request.resource_names_subscribe or request.resource_names_unsubscribe:
            self._read(sub, request, now, first=first)
        return answer

    def pull(self, now: float) -> tuple[bytes, ...] | None:
        """The next response, as for other streams; on-demand names that wait are looked at again."""
        if self._settled_after is not None and now >= self._settled_after:
            self._settled_after = None
        if self.hosts.waiting or self.hosts.kept:
            self.hosts.look_again(self.of(VIRTUAL_HOST), now)
        return super().pull(now)

    def deadline(self) -> float | None:
        """When ``pull`` may have something to say although nothing happens until then; None: never."""
        withheld = any(sub.withheld for sub in self.subscriptions.values())
        times = [self.hosts.give_up_at(), self._settled_after if withheld else None, super().deadline()]
        return min((time for time in times if time is not None), default=None)

    def take_asked(self) -> frozenset[str]:
        """The virtual hosts that the client has asked for on demand since this was called last.

        Those count, too, that an earlier server gave it so and the set has not.
        """
        asked, self.hosts.asked = self.hosts.asked, NONE
        return asked

    def removals_wait(self, now: float) -> bool:
        """Whether what has gone may yet come back: a new server does not know what was on demand until it was asked."""
        return self._settled_after is not None or bool(self.hosts.waiting)

    def new_subscription(self, type_url: str) -> Subscription:
        """The state of a type not asked for so far."""
        if type_url == VIRTUAL_HOST:
            return self.hosts
        if type_url == ROUTE:
            self.hosts.routes_wanted()
        return Subscription(type_url, self.names, self.rejections, self.settings.max_unanswered)

    def next_batch(self, sub: Subscription, target: Layers, now: float, *, held_back: bool) -> Batch | None:
        """What to send next of one type, noted as sent."""
        if sub.type_url == ROUTE and sub.claimed is not None:
            gone = [name for name in sub.claimed if find(target, name) is None]
            with_vhds = [name for name in sub.claimed if (route := find(target, name)) is not None and route.refers_to]
            self.hosts.routes_held(frozenset([*gone, *with_vhds]))
            self.hosts.routes_unsure(gone)
        if sub is self.hosts and sub.claimed is not None:
            self.hosts.returned(target, now, self.settings.max_names)
        return take(sub, target, now, held_back=held_back)

    def last_batch(self, sub: Subscription, target: Layers, withheld_before: float) -> Batch | None:
        """The removals of one type whose turn has come, noted as sent."""
        return take_removals(sub, target, withheld_before)

    def encode(self, sub: Subscription, nonce: str, batch: Batch) -> tuple[bytes, ...]:
        """A DeltaDiscoveryResponse: fields resources 2, type_url 4, nonce 5, removed_resources 6."""
        head = protobuf.text(4, sub.type_url) + protobuf.text(5, nonce)
        items = [part.delta_items for part in batch.parts]
        gone = [protobuf.field(6, name.encode()) for name in batch.removed]
        on_demand = [aliased_item(*each) for each in batch.aliased]
        return (head, *items, *on_demand, *[denied_item(name) for name in batch.denied], *gone)

    def send(self, sub: Subscription, batch: Batch, now: float) -> tuple[bytes, ...]:
        """The response that says ``batch``. Route configurations are followed by their virtual hosts."""
        if sub.type_url == ROUTE:
            for part in batch.parts:
                self.hosts.routes_sent(part.refers_to, part.names - part.refers_to)
            self.hosts.routes_unsure(batch.removed)
        return super().send(sub, batch, now)

    def settle(self, sub: Subscription, nonce: str, reason: str | None, now: float) -> Answer | None:
        """Take the answer to a response. A route configuration that was refused may have no virtual hosts yet."""
        answer = super().settle(sub, nonce, reason, now)
        if answer is not None and answer.rejected and sub.type_url == ROUTE:
            self.hosts.routes_unsure(resource.name for resource in answer.batch.resources)
        return answer

    def _read(
        self, sub: Subscription, request: discovery_pb2.DeltaDiscoveryRequest, now: float, *, first: bool
    ) -> None:
        wanted, unwanted = request.resource_names_subscribe, request.resource_names_unsubscribe
        if first:
            if request.initial_resource_versions:
                sub.claimed = dict(request.initial_resource_versions)
            if not wanted and sub.type_url not in NAMED:
                sub.held.wildcard = True
                sub.due = sub.claimed is None
            if sub is self.hosts:
                self.hosts.begin()
        else:
            sub.disclaim(frozenset((*wanted, *unwanted)).__contains__)
        if wanted:
            if sub is self.hosts:
                self.hosts.wait_for(wanted, now)
            _subscribe(sub, wanted, self.of(sub.type_url), self.settings.max_names)
            if sub.type_url == ROUTE:
                self.hosts.routes_unsure(name for name in wanted if name not in (sub.claimed or ()))
        if unwanted:
            _unsubscribe(sub, unwanted)
            if sub.type_url == ROUTE:
                self.hosts.routes_dropped(frozenset(unwanted))


def _subscribe(sub: Subscription, wanted: Collection[str], target: Layers, max_names: int) -> None:
    held = sub.held
    if ALL in wanted and not held.wildcard:
        held.restate()
        held.wildcard = True
        sub.unsettled.update(held.deviations)
        sub.due = sub.claimed is None
    names = sub.names.spelled((name for name in wanted if name != ALL), target)
    if not names:
        return
    held.names = sub.names.same(held.names | names if held.names else names)
    if len(held.names) > max_names:
        raise LimitExceeded(f"more than {max_names} names of {sub.type_url}")
    sub.ask(names)


def _unsubscribe(sub: Subscription, unwanted: Iterable[str]) -> None:
    held, gone = sub.held, sub.given_up(unwanted)
    if ALL in gone and held.wildcard:
        held.wildcard = False
        sub.drop([name for name in held.deviations if name not in held.names])
    names = gone - {ALL}
    if not names:
        return
    held.names = sub.names.same(held.names - names)
    held.fresh = sub.names.same(held.fresh - names)
    sub.drop(names)
    if held.wildcard:  # the client cannot know whether "everything" still includes them
        sub.ask(names)
