"""The incremental protocol: what its requests say, and its responses as bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server.absent import denied_item
from xds.server.batch import Batch
from xds.server.errors import LimitExceeded
from xds.server.subscription import Subscription
from xds.wire import protobuf
from xds.wire.resource import Layers
from xds.wire.type_urls import NAMED

ALL: Final = "*"


def read(
    sub: Subscription, request: discovery_pb2.DeltaDiscoveryRequest, target: Layers, *, first: bool, max_names: int
) -> None:
    """Take over what ``request`` asks for, subscribes to and no longer wants.

    Errors: LimitExceeded when more than ``max_names`` names are asked for.
    """
    wanted, unwanted = request.resource_names_subscribe, request.resource_names_unsubscribe
    if first:
        if request.initial_resource_versions:
            sub.claimed = dict(request.initial_resource_versions)
        if not wanted and sub.type_url not in NAMED:
            sub.held.wildcard = True
            sub.due = sub.claimed is None
    if wanted:
        _subscribe(sub, wanted, target, max_names)
    if unwanted:
        _unsubscribe(sub, unwanted)


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
    held, gone = sub.held, frozenset(unwanted)
    if ALL in gone and held.wildcard:
        held.wildcard = False
        left = [name for name in held.deviations if name not in held.names]
        sub.drop(left)
    names = gone - {ALL}
    if not names:
        return
    held.names = sub.names.same(held.names - names)
    held.fresh = sub.names.same(held.fresh - names)
    sub.drop(names)
    if held.wildcard:  # the client cannot know whether "everything" still includes them
        sub.ask(names)


def response(type_url: str, nonce: str, batch: Batch) -> bytes:
    """A DeltaDiscoveryResponse: fields resources 2, type_url 4, nonce 5, removed_resources 6."""
    head = protobuf.text(4, type_url) + protobuf.text(5, nonce)
    items = [part.delta_items for part in batch.parts]
    gone = [protobuf.field(6, name.encode()) for name in batch.removed]
    return b"".join([head, *items, *[denied_item(name) for name in batch.denied], *gone])
