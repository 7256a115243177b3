"""EndpointSlice: some of the endpoints of a service."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.quantities import Labels, PortNumber, about


class EndpointConditions(Lenient, frozen=True, kw_only=True):
    """The state of an endpoint; None is unknown, which counts as ready and serving."""

    ready: Annotated[bool | None, about("Whether it takes new traffic.")] = None
    serving: Annotated[bool | None, about("Whether it answers, be it on its way out or not.")] = None
    terminating: Annotated[bool | None, about("Whether it is on its way out.")] = None


class ObjectReference(Lenient, frozen=True, kw_only=True):
    """The object behind an endpoint."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class ForZone(Lenient, frozen=True, kw_only=True):
    """A zone that should use the endpoint."""

    name: str


class ForNode(Lenient, frozen=True, kw_only=True):
    """A node that should use the endpoint."""

    name: str


class EndpointHints(Lenient, frozen=True, kw_only=True):
    """Who should use the endpoint."""

    for_zones: tuple[ForZone, ...] = ()
    for_nodes: tuple[ForNode, ...] = ()


class Endpoint(Lenient, frozen=True, kw_only=True):
    """One endpoint."""

    addresses: Annotated[
        tuple[str, ...],
        about("Its address; only the first counts."),
        Meta(min_length=1),
    ]
    conditions: Annotated[EndpointConditions, about("Its state.")] = EndpointConditions()
    hostname: Annotated[str | None, about("Its own name below the service's.")] = None
    node_name: Annotated[str | None, about("Node that it runs on.")] = None
    zone: Annotated[str | None, about("Zone that it runs in.")] = None
    target_ref: Annotated[ObjectReference | None, about("Its pod.")] = None
    hints: Annotated[EndpointHints | None, about("Who should use it.")] = None
    deprecated_topology: Annotated[Labels, about("Not read.")] = field(default_factory=dict)


class EndpointPort(Lenient, frozen=True, kw_only=True):
    """A port of all endpoints of the slice."""

    name: Annotated[str | None, about("Name of the service's port.")] = None
    port: Annotated[PortNumber | None, about("Port number; absent is every port.")] = None
    protocol: Annotated[Literal["TCP", "UDP", "SCTP"], about("Transport.")] = "TCP"
    app_protocol: Annotated[str | None, about("Protocol of the application.")] = None


class EndpointSlice(Stored, frozen=True, kw_only=True):
    """Some of the endpoints of the service that the label ``kubernetes.io/service-name`` names."""

    KIND: ClassVar[Kind] = Kind("discovery.k8s.io", "EndpointSlice", ("v1", "v1beta1"), "endpointslices")

    address_type: Annotated[Literal["IPv4", "IPv6", "FQDN"], about("Kind of the addresses.")]
    endpoints: Annotated[tuple[Endpoint, ...], about("The endpoints.")] = ()
    ports: Annotated[tuple[EndpointPort, ...], about("Their ports.")] = ()
