"""Where connections go that are not read as HTTP: by a VirtualService's tls and tcp routes, or to their service.

What a chain takes (addresses, SNI) stands in listeners; where its connections go does not, so that destinations,
weights and policies change without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from xds.model.mesh import Beyond, OutboundMode
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import (
    ConnectionMatch,
    Destination,
    VirtualService,
    WeightedDestination,
)
from xds.model.service import Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, at_caller, matches
from xds.view.auto_mtls import TCP_ALPN, by_mesh
from xds.view.gateway_api.mesh_routes import connection_ways
from xds.view.graph import Read
from xds.view.routes import Caller, Target, port_of
from xds.view.specs.listeners import TcpChain
from xds.view.specs.resources import ConnectionSpec, OfferedProtocols
from xds.view.specs.routes import WeightedCluster

MESH = "mesh"
TLS_PORT = 443  # where a TLS route for a host that no service has is served, unless it says so


class ConnectionRoutes(NamedTuple):
    """Everything that decides where connections to a host's port go: the arguments of the makers here.

    ``service`` is None for a host that only VirtualServices know; ``targets`` has the host itself, too.
    """

    host: str
    port: int
    service: ServiceKey | None
    owner: ObjectRef | None
    targets: tuple[Target, ...]
    caller: Caller = Caller()
    unknown: Beyond = Beyond()  # what becomes of those that its routes do not take
    attached: tuple[ObjectRef, ...] = ()  # routes of the Gateway API, instead of an owner

    @property
    def name(self) -> str:
        """The name of where they go that no route names."""
        return names.connections(self.port, self.host)


class Branch(NamedTuple):
    """Connections that a chain of their own takes; ``resolves`` is as in ``FoundChain``."""

    subnet: str
    sni: str
    resolves: int = 0


class _Way(NamedTuple):
    subnet: str
    sni: str
    shares: tuple[WeightedDestination, ...]


class _Plan(NamedTuple):
    """``rest`` is where those go that no way takes; None to wherever unknown ones go."""

    ways: tuple[_Way, ...]
    rest: tuple[WeightedDestination, ...] | None


def branches(read: Read, wanted: ConnectionRoutes) -> tuple[Branch, ...]:
    """Which connections to a port are told apart, sorted: what listeners must know of routes."""
    found = (Branch(way.subnet, way.sni, _resolves(read, way.shares, wanted)) for way in _plan(read, wanted).ways)
    return tuple(sorted(found))


def connections(read: Read, wanted: ConnectionRoutes) -> tuple[ConnectionSpec | OfferedProtocols, ...]:
    """Where all connections to a port go, one spec a branch."""
    plan = _plan(read, wanted)
    specs: list[ConnectionSpec | OfferedProtocols] = []
    if wanted.service is not None:
        specs.append(ConnectionSpec(wanted.name, _rest(read, plan, wanted)))
    for way in plan.ways:
        name = names.branch(wanted.name, way.subnet, way.sni)
        specs.append(ConnectionSpec(name, _to(read, way.shares, wanted)))
    if _protocol(read, wanted) is Protocol.AUTO:
        # The cluster of a sniffed port says HTTP to its servers: what is none must say so.
        shares = ((wanted.name, plan.rest), *((names.branch(wanted.name, *way[:2]), way.shares) for way in plan.ways))
        specs += [OfferedProtocols(name, _alpn(read, to, wanted)) for name, to in shares]
    return tuple(specs)


def unknown_connections(_: Read, unknown: Beyond) -> tuple[ConnectionSpec, ...]:
    """Where connections go to places that the caller does not know; every listener's last chain refers to it."""
    return (ConnectionSpec(names.UNKNOWN, _beyond(unknown)),)


def _beyond(unknown: Beyond) -> TcpChain:
    cluster = names.beyond(unknown.mode is not OutboundMode.REGISTRY_ONLY, unknown.proxy)
    return TcpChain(cluster, (WeightedCluster(cluster),))


def _rest(read: Read, plan: _Plan, wanted: ConnectionRoutes) -> TcpChain:
    return _beyond(wanted.unknown) if plan.rest is None else _to(read, plan.rest, wanted)


def may_match(match: ConnectionMatch, gateways: tuple[str, ...], port: int, caller: Caller) -> bool:
    """Whether a match of a VirtualService may hold for a caller's connections to a port."""
    source = match.source
    if MESH not in (source.gateways or gateways) or (source.port and source.port != port):
        return False
    return (not source.namespace or source.namespace == caller.namespace) and source.labels <= caller.labels


def _plan(read: Read, wanted: ConnectionRoutes) -> _Plan:
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, wanted.owner) if wanted.owner else None
    protocol = _protocol(read, wanted)
    own = (WeightedDestination(Destination(wanted.host, "", wanted.port), 1, NO_POLICIES),)
    if wanted.attached:
        by_name = dict(connection_ways(read, wanted.attached))
        rest = by_name.pop("", own)
        return _Plan(tuple(_Way("", name, shares) for name, shares in by_name.items()), rest)
    if routed is None:
        return _Plan((), own)
    if protocol is not None and not protocol.is_tls:
        return _by_address(routed, wanted, own)
    ways = _first_of_each(_by_sni(routed, wanted))
    # As in Istio: of a service that has TLS routes here, no more is known than they say.
    return _Plan(ways, None if ways else own)


def _protocol(read: Read, wanted: ConnectionRoutes) -> Protocol | None:
    service: Service | None = read.first(Table.SERVICE, wanted.service) if wanted.service is not None else None
    port = service.port(wanted.port) if service is not None else None
    return port.protocol if port is not None else None


def _by_sni(routed: VirtualService, wanted: ConnectionRoutes) -> Iterator[_Way]:
    for route in routed.tls:
        for match in route.matches:
            if not may_match(match, routed.gateways, wanted.port, wanted.caller):
                continue
            foreign = wanted.service is None
            if foreign and (match.source.port or TLS_PORT) != wanted.port:
                continue
            names = [sni for sni in match.sni_hosts if not foreign or matches(wanted.host, sni)]
            for sni, subnet in product(names, match.destination_subnets or ("",)):
                yield _Way(subnet, sni, route.destinations)


def _by_address(routed: VirtualService, wanted: ConnectionRoutes, own: tuple[WeightedDestination, ...]) -> _Plan:
    """The TCP routes; the first match that asks for no address ends them."""
    ways: list[_Way] = []
    for route in routed.tcp:
        subnets: list[str] = []
        for match in route.matches or (ConnectionMatch(),):
            if not may_match(match, routed.gateways, wanted.port, wanted.caller):
                continue
            if not match.destination_subnets:
                return _Plan(_first_of_each(iter(ways)), route.destinations)
            subnets += match.destination_subnets
        ways += [_Way(subnet, "", route.destinations) for subnet in subnets]
    return _Plan(_first_of_each(iter(ways)), own)


def _first_of_each(ways: Iterator[_Way]) -> tuple[_Way, ...]:
    # Envoy refuses two chains of one match: the first has it.
    found: dict[tuple[str, str], _Way] = {}
    for way in ways:
        found.setdefault((way.subnet, way.sni), way)
    return tuple(found.values())


def _resolves(read: Read, shares: tuple[WeightedDestination, ...], wanted: ConnectionRoutes) -> int:
    for share in shares:
        service, _ = _found(read, share.destination, wanted)
        port = resolved_on(service, port_of(share.destination, service, wanted.port))
        if port:
            return port
    return 0


def resolved_on(service: Service | None, number: int) -> int:
    """The port on which Envoy calls a host that it resolves itself, for a port of the service; 0 of any other."""
    port = service.port(number) if service is not None and service.resolution is Resolution.DYNAMIC_DNS else None
    return port.target if port is not None and isinstance(port.target, int) else 0


def _to(read: Read, shares: tuple[WeightedDestination, ...], wanted: ConnectionRoutes) -> TcpChain:
    """To these by weight; what is asked of callers (idle time, hash, tunnel) is the first one's rule to say."""
    first = shares[0].destination
    service, rule = _found(read, first, wanted)
    policies = Policies(at_caller(read, rule, first.subset, port_of(first, service, wanted.port)))
    several = len(shares) > 1
    clusters = tuple(
        WeightedCluster(_cluster(read, share.destination, wanted), share.weight if several else 1)
        for share in shares
        if share.weight or not several
    )
    return TcpChain(wanted.name, clusters, policies)


def _alpn(read: Read, shares: tuple[WeightedDestination, ...] | None, wanted: ConnectionRoutes) -> tuple[str, ...]:
    if shares is None:
        return ()
    first = shares[0].destination
    service, rule = _found(read, first, wanted)
    return TCP_ALPN if read.get(by_mesh, rule, port_of(first, service, wanted.port)) else ()


def passed_to(read: Read, shares: tuple[WeightedDestination, ...], wanted: ConnectionRoutes) -> TcpChain:
    """Where a gateway's connections go that these share; ``wanted`` has the services that are named."""
    return _to(read, shares, wanted)


def resolves_to(read: Read, shares: tuple[WeightedDestination, ...], wanted: ConnectionRoutes) -> int:
    """The port on which Envoy calls what it resolves itself by the SNI of such connections; 0 where it does not."""
    return _resolves(read, shares, wanted)


def alpn_to(read: Read, shares: tuple[WeightedDestination, ...], wanted: ConnectionRoutes) -> tuple[str, ...]:
    """What such connections offer to their server where its cluster would say HTTP; nothing elsewhere."""
    service, _ = _found(read, shares[0].destination, wanted)
    port = service.port(port_of(shares[0].destination, service, wanted.port)) if service is not None else None
    if port is None or not (port.protocol.is_http or port.protocol is Protocol.AUTO):
        return ()
    return _alpn(read, shares, wanted)


def _found(read: Read, destination: Destination, wanted: ConnectionRoutes) -> tuple[Service | None, RuleAt | None]:
    target = next((target for target in wanted.targets if target.host == destination.host), None)
    if target is None or target.service is None:
        return None, None
    service: Service | None = read.first(Table.SERVICE, target.service)
    return service, target.rule


def _cluster(read: Read, destination: Destination, wanted: ConnectionRoutes) -> str:
    service, _ = _found(read, destination, wanted)
    host = service.hostname if service is not None else destination.host
    return names.outbound_cluster(port_of(destination, service, wanted.port), destination.subset, host)
