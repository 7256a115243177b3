"""What route tables, virtual hosts and routes are, before it is spelled: RDS and VHDS."""

from __future__ import annotations

from dataclasses import dataclass

from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import RequestMatch


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """A cluster by name, its share, and the policies of that share alone."""

    cluster: str
    weight: int = 1
    policies: Policies = NO_POLICIES


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route; ``clusters`` is empty where a policy answers (redirect, direct response)."""

    name: str
    match: RequestMatch
    clusters: tuple[WeightedCluster, ...]
    policies: Policies = NO_POLICIES
    stat_prefix: str = ""
    authored: ObjectRef | None = None
    operation: str = ""


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
    as answers say; 0 is nowhere.
    """

    name: str
    virtual_hosts: tuple[VirtualHostSpec, ...] = ()
    vhds: bool = False
    by_port: bool = False
    http3_port: int = 0
