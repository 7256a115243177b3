"""Who is at the other end of a stream: the node it says it is, and the peer that the connection proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from google.protobuf import struct_pb2

from xds.api.envoy.config.core.v3 import base_pb2
from xds.server.errors import LimitExceeded

_MOST_BYTES: Final = 512 * 1024  # a pod's annotations may be in it, which Kubernetes bounds by the half


@dataclass(frozen=True, slots=True)
class Locality:
    """Where a proxy runs; ``""`` where it does not say."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """What a proxy says of itself in its first request (core.v3.Node); nothing of it is proven.

    ``metadata`` is plain JSON values; ``version`` is Envoy's as ``1.40.0``, or what it calls its user agent's version.
    """

    id: str
    cluster: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    locality: Locality = Locality()
    agent: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a stream's connection.

    ``identities`` are the URIs and names of the client certificate that TLS has verified when the connection was made,
    none without one, and ``certificate`` is that (PEM); ``metadata`` the headers of the call, the last value where one
    is repeated; ``delta`` and ``type_url`` say what was asked for first; ``anew`` is whether the client then had
    nothing yet of any server, as who was just started.
    """

    address: str
    secure: bool = False
    identities: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    delta: bool = True
    type_url: str = ""
    anew: bool = False
    certificate: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The IP address in gRPC's name of a peer (``ipv4:10.0.0.1:4242``, ``ipv6:%5B::1%5D:4242``); else ``""``."""
        kind, _, rest = unquote(self.address).partition(":")
        return rest.rpartition(":")[0].strip("[]") if kind.startswith("ip") else ""


def node(message: base_pb2.Node) -> Node:
    """The node that ``message`` describes. Errors: LimitExceeded where it says too much of itself.

    Anybody may send one, before it is known who that is: reading 16 MB of it would take three seconds.
    """
    size = message.metadata.ByteSize()
    if size > _MOST_BYTES:
        raise LimitExceeded(f"a node with metadata of {size} bytes, more than {_MOST_BYTES}")
    where = message.locality
    build = message.user_agent_build_version.version
    version = f"{build.major_number}.{build.minor_number}.{build.patch}"
    return Node(
        id=message.id,
        cluster=message.cluster,
        metadata=_struct(message.metadata),
        locality=Locality(where.region, where.zone, where.sub_zone),
        agent=message.user_agent_name,
        version=message.user_agent_version or ("" if version == "0.0.0" else version),
    )


def _struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _plain(value) for key, value in sorted(struct.fields.items())}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
