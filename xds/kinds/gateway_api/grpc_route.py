"""GRPCRoute: where gRPC calls go that come in by a Gateway, or that are sent to a Service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Anything, Kind, Lenient, Stored
from xds.kinds.gateway_api.filters import Filter
from xds.kinds.gateway_api.http_route import HTTPBackendRef, ValueMatch
from xds.kinds.gateway_api.references import GROUP, ParentReference
from xds.kinds.quantities import about


class GRPCMethodMatch(Lenient, frozen=True, kw_only=True):
    """A condition on what is called."""

    type: Annotated[str, about("Exact or RegularExpression.")] = "Exact"
    service: Annotated[str | None, about("Service with its package; any when absent.")] = None
    method: Annotated[str | None, about("Method; any when absent.")] = None


class GRPCRouteMatch(Lenient, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    method: Annotated[GRPCMethodMatch | None, about("Of what is called.")] = None
    headers: Annotated[tuple[ValueMatch, ...], about("Of headers.")] = ()


class GRPCRouteRule(Lenient, frozen=True, kw_only=True):
    """Which calls are meant, what is done, where they go."""

    name: Annotated[str | None, about("Name.")] = None
    matches: Annotated[tuple[GRPCRouteMatch, ...], about("Alternatives; all calls when empty.")] = ()
    filters: Annotated[tuple[Filter, ...], about("What is done beside forwarding.")] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], about("Where calls go, by weight.")] = ()
    session_persistence: Annotated[Anything, about("Not carried out.")] = None


class GRPCRouteSpec(Lenient, frozen=True, kw_only=True):
    """What the route is attached to, and its rules."""

    parent_refs: Annotated[tuple[ParentReference, ...], about("Gateways, or Services, that it is for.")] = ()
    hostnames: Annotated[tuple[str, ...], about("Hosts that are asked for; all of the listener's when empty.")] = ()
    rules: Annotated[tuple[GRPCRouteRule, ...], about("Rules.")] = ()


class GRPCRoute(Stored, frozen=True, kw_only=True):
    """Where gRPC calls go that come in by a Gateway, or that are sent to a Service."""

    KIND: ClassVar[Kind] = Kind(GROUP, "GRPCRoute", ("v1",), "grpcroutes")

    spec: Annotated[GRPCRouteSpec, about("Parents and rules.")] = field(default_factory=GRPCRouteSpec)
