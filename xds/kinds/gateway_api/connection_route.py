"""TLSRoute and TCPRoute: where connections go that come in by a Gateway and are not read as HTTP."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.gateway_api.references import GROUP, BackendRef, ParentReference
from xds.kinds.quantities import about


class ConnectionRule(Lenient, frozen=True, kw_only=True):
    """Where connections go."""

    name: Annotated[str | None, about("Name.")] = None
    backend_refs: Annotated[tuple[BackendRef, ...], about("Where connections go, by weight.")] = ()


class TCPRouteSpec(Lenient, frozen=True, kw_only=True):
    """What the route is attached to, and its rules."""

    parent_refs: Annotated[tuple[ParentReference, ...], about("Gateways that it is for.")] = ()
    rules: Annotated[tuple[ConnectionRule, ...], about("Rules; only the first counts.")] = ()


class TLSRouteSpec(TCPRouteSpec, frozen=True, kw_only=True):
    """What the route is attached to, its server names, its rules."""

    hostnames: Annotated[tuple[str, ...], about("Server names (SNI), or *. and a domain.")] = ()


class TCPRoute(Stored, frozen=True, kw_only=True):
    """Where connections go that come in by a Gateway."""

    KIND: ClassVar[Kind] = Kind(GROUP, "TCPRoute", ("v1", "v1alpha2"), "tcproutes")

    spec: Annotated[TCPRouteSpec, about("Parents and rules.")] = TCPRouteSpec()


class TLSRoute(Stored, frozen=True, kw_only=True):
    """Where TLS connections go that come in by a Gateway, by their server name."""

    KIND: ClassVar[Kind] = Kind(GROUP, "TLSRoute", ("v1", "v1alpha3", "v1alpha2"), "tlsroutes")

    spec: Annotated[TLSRouteSpec, about("Parents, server names and rules.")] = TLSRouteSpec()
