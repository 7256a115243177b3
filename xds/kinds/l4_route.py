"""TCPRoute and TLSRoute of a VirtualService: connections that are not read as HTTP."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from xds.kinds.authored import Strict
from xds.kinds.destination import Destination
from xds.kinds.quantities import Labels, NaturalInt32, OptionalPortNumber, about


class L4MatchAttributes(Strict, frozen=True, kw_only=True):
    """Conditions on a connection."""

    destination_subnets: Annotated[tuple[str, ...], about("Addresses or subnets that the client dialled.")] = ()
    port: Annotated[OptionalPortNumber, about("Port that the client dialled; 0 is any.")] = 0
    source_subnet: Annotated[str, about("Not read, as in Istio.")] = ""
    source_labels: Annotated[Labels, about("Labels that the client's workload must have.")] = field(
        default_factory=dict
    )
    gateways: Annotated[
        tuple[str, ...],
        about("Where the match applies, instead of the rule's gateways."),
    ] = ()
    source_namespace: Annotated[str, about("Namespace of the client's workload.")] = ""


class TLSMatchAttributes(Strict, frozen=True, kw_only=True):
    """Conditions on a TLS connection that is passed through."""

    sni_hosts: Annotated[
        tuple[str, ...],
        about("Server names; each within the rule's hosts."),
        Meta(min_length=1),
    ]
    destination_subnets: Annotated[tuple[str, ...], about("Addresses or subnets that the client dialled.")] = ()
    port: Annotated[OptionalPortNumber, about("Port that the client dialled; 0 is any.")] = 0
    source_labels: Annotated[Labels, about("Labels that the client's workload must have.")] = field(
        default_factory=dict
    )
    gateways: Annotated[
        tuple[str, ...],
        about("Where the match applies, instead of the rule's gateways."),
    ] = ()
    source_namespace: Annotated[str, about("Namespace of the client's workload.")] = ""


class RouteDestination(Strict, frozen=True, kw_only=True):
    """One of the services that share the connections."""

    destination: Annotated[Destination, about("Where the share goes.")]
    weight: Annotated[NaturalInt32, about("Share, relative to the other weights of the route.")] = 0


class TCPRoute(Strict, frozen=True, kw_only=True):
    """What happens to TCP connections that match."""

    match: Annotated[
        tuple[L4MatchAttributes, ...],
        about("Any of these; every connection when empty."),
    ] = ()
    route: Annotated[tuple[RouteDestination, ...], about("Services that share the connections.")] = ()


class TLSRoute(Strict, frozen=True, kw_only=True):
    """What happens to passed-through TLS connections that match."""

    match: Annotated[
        tuple[TLSMatchAttributes, ...],
        about("Any of these; at least one."),
        Meta(min_length=1),
    ]
    route: Annotated[tuple[RouteDestination, ...], about("Services that share the connections.")] = ()
