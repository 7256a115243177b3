"""Any spec to the bytes of its resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from xds.translators import cds, connections, ecds, eds, lds, rds, rtds, sds
from xds.translators.envoy_filters import apply as envoy_filters
from xds.view.specs.clusters import ClusterSpec, EndpointGroup
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.observed import RuntimeSpec
from xds.view.specs.resources import (
    AddedSpec,
    ConnectionSpec,
    FilterSpec,
    OfferedProtocols,
    PatchedSpec,
    SecretSpec,
    Spec,
)
from xds.view.specs.routes import RouteTable, VirtualHostSpec
from xds.wire.codec import encode, type_url


class Encoded(NamedTuple):
    """A resource without provenance: its type URL, its name, its bytes."""

    type_url: str
    name: str
    body: bytes


def translate(spec: Spec) -> Encoded:
    """The resource that ``spec`` means. Equal specs give equal bytes: whoever has the spec may keep them."""
    return encoded(*named(spec))


def named(spec: Spec) -> tuple[str, Message]:
    """The message that ``spec`` means, and the resource's name."""
    # A virtual host's resource name is its VirtualHost.name, else Envoy never removes it (envoy-facts 1).
    return spec.name, _SPELLED[type(spec)](spec)


def encoded(name: str, message: Message) -> Encoded:
    """A message as a resource of that name."""
    return Encoded(type_url(message), name, encode(message))


def outcomes(spec: PatchedSpec) -> tuple[envoy_filters.Outcome, ...]:
    """What each patch came to on the resource of ``spec``."""
    _, message = named(spec.spec)
    return envoy_filters.apply(message, spec.patches, spec.apart)


def _patched(spec: PatchedSpec) -> Message:
    _, message = named(spec.spec)
    envoy_filters.apply(message, spec.patches, spec.apart)
    return message


_SPELLED: Final[dict[type[Spec], Callable[[Any], Message]]] = {
    ListenerSpec: lds.listener,
    RouteTable: rds.route_configuration,
    VirtualHostSpec: rds.virtual_host,
    ClusterSpec: cds.cluster,
    EndpointGroup: eds.load_assignment,
    FilterSpec: ecds.filter_config,
    ConnectionSpec: connections.way,
    OfferedProtocols: connections.offered,
    SecretSpec: sds.secret,
    RuntimeSpec: rtds.runtime,
    PatchedSpec: _patched,
    AddedSpec: lambda spec: envoy_filters.added(spec.patch),
}
