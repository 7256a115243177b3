"""Negative answers: what a client is told that asks by name for what does not exist, so that it waits for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from xds.wire import protobuf
from xds.wire.resource import Resource
from xds.wire.type_urls import CLUSTER, ENDPOINT

# An empty cluster of type STATIC (field 2 = 0): requests for it fail at once. Told that it does not exist, Envoy lets
# every later request wait for the whole on-demand timeout (envoy-facts 6).
_STATIC: Final = b"\x10\x00"


@lru_cache(maxsize=4096)
def placeholder(type_url: str, name: str) -> Resource | None:
    """The empty resource that stands for an unknown one; None for types where ``removed_resources`` says it better.

    An empty load assignment ends a cluster's warming, and empties a cluster whose endpoints went (a removal Envoy
    ignores: envoy-facts 7).
    """
    if type_url == ENDPOINT:
        return Resource(type_url, name, protobuf.text(1, name))
    if type_url == CLUSTER:
        return Resource(type_url, name, protobuf.text(1, name) + _STATIC)
    return None


def aliased_item(resource: Resource, aliases: Iterable[str]) -> bytes:
    """A ``resources`` item of a DeltaDiscoveryResponse that answers on-demand names.

    A Resource: version 1, body 2, name 3, aliases 4.
    """
    body = protobuf.field(1, resource.type_url.encode()) + protobuf.field(2, resource.body)
    head = protobuf.text(1, resource.version) + protobuf.field(2, body) + protobuf.text(3, resource.name)
    return protobuf.field(2, head + b"".join(protobuf.text(4, alias) for alias in aliases))


@lru_cache(maxsize=4096)
def denied_item(name: str) -> bytes:
    """A ``resources`` item of a DeltaDiscoveryResponse for an on-demand virtual host that does not exist.

    A Resource (name 3, aliases 4) without a body; any other answer leaves the client's request hanging (envoy-facts 1).
    """
    return protobuf.field(2, protobuf.text(3, name) + protobuf.text(4, name))
