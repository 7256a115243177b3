"""Any spec to the bytes of its resource."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import Message

from xds.translators import cds, ecds, eds, lds, rds, sds
from xds.view.specs import ClusterSpec, EndpointGroup, FilterSpec, RouteTable, SecretSpec, Spec, VirtualHostSpec
from xds.wire.codec import encode, type_url


class Encoded(NamedTuple):
    """A resource without provenance: its type URL, its name, its bytes."""

    type_url: str
    name: str
    body: bytes


def translate(spec: Spec) -> Encoded:
    """The resource that ``spec`` means. Equal specs give equal bytes: whoever has the spec may keep them."""
    name, message = _message(spec)
    return Encoded(type_url(message), name, encode(message))


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
    if isinstance(spec, SecretSpec):
        return spec.name, sds.secret(spec)
    return spec.name, lds.listener(spec)
