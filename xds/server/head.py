"""The head of a stream's first request: who sends it, read before anything else of it.

A request may be 16 MiB of names, which take a second and 300 MB to read: not for strangers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from xds.api.envoy.config.core.v3 import base_pb2
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.node import Node, node

_MOST_NODE_BYTES: Final = 1024 * 1024  # with the extensions of an Envoy, 61 KiB, and what its pod says of itself
_Field = descriptor_pb2.FieldDescriptorProto
_DELTA: Final = {"node": "node", "type_url": "type_url", "held": "initial_resource_versions"}
_SOTW: Final = {"node": "node", "type_url": "type_url", "held": "version_info"}


@dataclass(frozen=True, slots=True)
class Head:
    """Who sends a request, what type it asks for, and whether it says that it has something of that already."""

    node: Node
    type_url: str
    holds: bool


def head(data: bytes, *, delta: bool) -> Head:
    """The head of the first request in ``data``. Errors: ProtocolError, LimitExceeded where it says too much."""
    try:
        found = _class(delta).FromString(data)
        if len(found.node) > _MOST_NODE_BYTES:
            raise LimitExceeded(f"a node of {len(found.node)} bytes, more than {_MOST_NODE_BYTES}")
        who = node(base_pb2.Node.FromString(found.node))
    except DecodeError as error:
        raise ProtocolError("no discovery request") from error
    return Head(who, found.type_url, bool(found.held))


@cache
def _class(delta: bool) -> Any:
    """A message with these fields of a request alone; others are passed over."""
    kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    file = descriptor_pb2.FileDescriptorProto(name="head.proto", package="xds.server.head", syntax="proto3")
    made = file.message_type.add(name="Head")
    for name, of in (_DELTA if delta else _SOTW).items():
        told = _Field.TYPE_STRING if name == "type_url" else _Field.TYPE_BYTES
        made.field.add(
            name=name, number=kind.DESCRIPTOR.fields_by_name[of].number, type=told, label=_Field.LABEL_OPTIONAL
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("xds.server.head.Head"))
