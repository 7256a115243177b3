"""Any spec to the bytes of its resource."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import Message

from xds.translators import cds, connections, ecds, eds, lds, rds, sds
from xds.translators.envoy_filters import apply as envoy_filters
from xds.view.specs.clusters import ClusterSpec, EndpointGroup
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
    return _message(spec)


def encoded(name: str, message: Message) -> Encoded:
    """A message as a resource of that name."""
    return Encoded(type_url(message), name, encode(message))


def outcomes(spec: PatchedSpec) -> tuple[envoy_filters.Outcome, ...]:
    """What each patch came to on the resource of ``spec``."""
    _, message = _message(spec.spec)
    return envoy_filters.apply(message, spec.patches, spec.apart)


def _message(spec: Spec) -> tuple[str, Message]:
    if isinstance(spec, EndpointGroup):
        return spec.name, eds.load_assignment(spec)
    if isinstance(spec, ClusterSpec):
        return spec.name, cds.cluster(spec)
    if isinstance(spec, VirtualHostSpec):
        # A virtual host's resource name is its VirtualHost.name, else Envoy never removes it (envoy-facts 1).
        host = rds.virtual_host(spec)
        return host.name, host
    if isinstance(spec, RouteTable):
        return spec.name, rds.route_configuration(spec)
    if isinstance(spec, FilterSpec):
        config = ecds.filter_config(spec)
        return config.name, config
    if isinstance(spec, ConnectionSpec):
        return spec.name, connections.way(spec)
    if isinstance(spec, OfferedProtocols):
        return spec.name, connections.offered(spec)
    if isinstance(spec, SecretSpec):
        return spec.name, sds.secret(spec)
    if isinstance(spec, PatchedSpec):
        name, message = _message(spec.spec)
        envoy_filters.apply(message, spec.patches, spec.apart)
        return name, message
    if isinstance(spec, AddedSpec):
        return spec.name, envoy_filters.added(spec.patch)
    return spec.name, lds.listener(spec)
