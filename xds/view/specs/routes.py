"""What route tables, virtual hosts and routes are, before it is spelled: RDS and VHDS."""

from __future__ import annotations

from dataclasses import dataclass

from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import RequestMatch

ROUTED = "routed"
"""The host of a route is that of a Service to which objects of the Gateway API attach routes."""

UNKNOWN = "unknown"
"""The host of a route is one that nobody knows."""


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """A cluster by name, its share, and the policies of that share alone."""

    cluster: str
    weight: int = 1
    policies: Policies = NO_POLICIES


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route; ``clusters`` is empty where a policy answers (redirect, direct response).

    ``stated`` is the field of ``authored`` that says it, as a path; nothing that is sent depends on it.
    ``frontend`` is ROUTED or UNKNOWN where the address that is dialled may count, too.
    """

    name: str
    match: RequestMatch
    clusters: tuple[WeightedCluster, ...]
    policies: Policies = NO_POLICIES
    stat_prefix: str = ""
    authored: ObjectRef | None = None
    operation: str = ""
    stated: tuple[str | int, ...] = ()
    frontend: str = ""


@dataclass(frozen=True, slots=True)
class VirtualHostSpec:
    """One virtual host of the route table ``table``; domains as Envoy matches them, ports left out.

    ``require_tls`` is whether plain requests are sent to https.
    """

    table: str
    name: str
    domains: tuple[str, ...]
    routes: tuple[RouteSpec, ...]
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """One RouteConfiguration: virtual hosts inline, and whether others come one by one (VHDS).

    ``by_port`` is whether domains are told apart by port, too. ``http3_port`` is where the same is served over HTTP/3,
    as answers say; 0 is nowhere. ``turn`` is another number each time that clients are to ask for what they lack anew.
    ``by_address`` is whether the address that was dialled counts before the host.
    """

    name: str
    virtual_hosts: tuple[VirtualHostSpec, ...] = ()
    vhds: bool = False
    by_port: bool = False
    http3_port: int = 0
    by_address: bool = False
    turn: int = 0
