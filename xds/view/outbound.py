"""What one caller may reach: which makers make its outbound configuration, service by service.

Three levels, so that work follows the change: the *groups* of a scope (one a service), the *leaves* of a group, and the
specs that a leaf makes. A new service adds one group; an edited one re-makes its own; the others are not looked at.
"""

from __future__ import annotations

from typing import NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.policy import Routed
from xds.model.refs import ObjectRef
from xds.model.route import Destination, VirtualService
from xds.model.service import DestinationRule, Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, route_owner, rule, rule_at
from xds.view.clusters import cluster_policies, discovery, mesh_clusters, service_clusters, subset_labels, subset_names
from xds.view.delegates import http_routes
from xds.view.endpoints import endpoint_group
from xds.view.graph import Call, Read, call
from xds.view.listeners import (
    PortClaims,
    service_listener,
    virtual_outbound,
    wildcard_listener,
)
from xds.view.routes import (
    FOREIGN_PORT,
    Caller,
    HostRoutes,
    Target,
    port_table,
    sniffed_table,
    virtual_host,
    whole_table,
)
from xds.view.scope import Scope, resolved_service, service_key, visible_services
from xds.view.secrets import named, secret
from xds.view.specs import Discovery


def anybody(scope: Scope) -> Scope:
    """What callers of a scope share with those of other namespaces: all but the services' bare names."""
    return scope._replace(namespace="")


def seen_by(scope: Scope, key: ServiceKey) -> Scope:
    """The scope as far as it matters for a service: callers of other namespaces than its own see it alike."""
    return scope if key.namespace == scope.namespace else anybody(scope)


def groups(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The groups of what ``anybody`` reaches: one a visible service, and one of what belongs to no service."""
    services = read.get(visible_services, scope.home)
    return (call(common, scope), *(call(service_leaves, key, scope) for key in services))


def near_groups(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The groups of what a namespace's own callers see otherwise: its services have bare names, too."""
    return (call(near_leaves, scope),)


def near_leaves(read: Read, scope: Scope) -> tuple[Call, ...]:
    """Virtual hosts with bare names, in place of those that ``groups`` makes under the same resource names."""
    leaves: list[Call] = []
    ports: set[int] = set()
    for key in read.get(visible_services, scope.home):
        if key.namespace != scope.namespace:
            continue
        for port in read.get(port_shapes, key):
            if port.protocol.is_http:
                ports.add(port.number)
                wanted = read.get(host_routes, key, port.number, scope)
                leaves.append(call(virtual_host, names.port_routes(port.number), wanted))
    if scope.vhds:
        return tuple(leaves)
    return tuple(_whole_table(read, scope, port) for port in sorted(ports))


def _whole_table(read: Read, scope: Scope, port: int) -> Call:
    foreign = read.get(foreign_hosts, scope) if port == FOREIGN_PORT else ()
    return call(whole_table, port, (*read.get(hosts_on_port, scope, port), *foreign))


def common(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The leaves that belong to no service: the skeleton, the listeners of ports, hosts of VirtualServices alone."""
    leaves = [call(mesh_clusters), *((call(virtual_outbound),) if scope.intercepted else ())]
    foreign = read.get(foreign_hosts, scope)
    for claims in read.get(port_claims, scope.home, bool(foreign)):
        leaves.append(call(wildcard_listener, claims))
        if not claims.http:
            continue
        if scope.vhds:
            hosts = foreign if claims.port == FOREIGN_PORT else ()
            table = names.port_routes(claims.port)
            leaves += [call(port_table, claims.port), *(call(virtual_host, table, host) for host in hosts)]
        else:
            leaves.append(_whole_table(read, scope, claims.port))
    return tuple(leaves)


def service_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The leaves of one service: its clusters, their endpoints, its virtual hosts and its own listeners."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, scope)
    leaves = [call(service_clusters, key, at, scope.identity)]
    leaves += _endpoint_leaves(read, service, at)
    if at is not None and at.labels and scope.identity is Identity.ADS and scope.vouched:
        # One leaf a Secret: several rules may name it, and it stays while one of them does.
        leaves += [call(secret, at.namespace, name) for name in read.get(named, at)]
    for port in service.ports:
        if port.protocol.is_http:
            if scope.vhds:
                wanted = read.get(host_routes, key, port.number, scope)
                leaves.append(call(virtual_host, names.port_routes(port.number), wanted))
        elif _has_own_listener(service):
            leaves.append(call(service_listener, key, port.number, at))
            if port.protocol is Protocol.AUTO:
                leaves.append(call(sniffed_table, read.get(host_routes, key, port.number, scope)))
    return tuple(leaves)


def _has_own_listener(service: Service) -> bool:
    single = any("/" not in address for address in service.addresses)
    return single or service.resolution is Resolution.HEADLESS


def _endpoint_leaves(read: Read, service: Service, at: RuleAt | None) -> list[Call]:
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    leaves = []
    for port in service.ports:
        for subset in subset_names(found):
            policies = cluster_policies(read, found, subset, port.number)
            if discovery(service, policies) is not Discovery.EDS:
                continue
            cluster = names.outbound_cluster(port.number, subset, service.hostname)
            key = EndpointKey(service.hostname, service.namespace, port.number)
            leaves.append(call(endpoint_group, cluster, key, subset_labels(found, subset)))
    return leaves


def port_claims(read: Read, home: str, foreign: bool) -> tuple[PortClaims, ...]:
    """What is said on each port of all addresses, over all visible services, sorted by port; ``foreign`` hosts too."""
    http: set[int] = set()
    by_sni: dict[int, list[ServiceKey]] = {}
    by_subnet: dict[int, dict[tuple[str, str], ServiceKey]] = {}
    tcp: dict[int, ServiceKey] = {}
    services = read.get(visible_services, home)
    shapes = [(key, port) for key in services for port in read.get(port_shapes, key)]
    for key, port in shapes:
        if port.protocol.is_http:
            http.add(port.number)
        elif port.subnets:
            # Envoy refuses two chains of one match: the first has it.
            sni = key.hostname if port.protocol.is_tls else ""
            for subnet in port.subnets:
                by_subnet.setdefault(port.number, {}).setdefault((subnet, sni), key)
        elif not port.addressed and port.protocol.is_tls:
            by_sni.setdefault(port.number, []).append(key)
        elif not port.addressed:
            tcp.setdefault(port.number, key)
    if foreign:
        http.add(FOREIGN_PORT)
    return tuple(
        PortClaims(
            number,
            number in http,
            tuple(by_sni.get(number, ())),
            tuple((*match, key) for match, key in sorted(by_subnet.get(number, {}).items())),
            tcp.get(number),
        )
        for number in sorted(http | by_sni.keys() | by_subnet.keys() | tcp.keys())
        if number not in names.TAKEN_PORTS
    )


class PortShape(NamedTuple):
    """A service's port as listeners see it; ``addressed`` is whether the service has addresses to listen on."""

    number: int
    protocol: Protocol
    addressed: bool
    subnets: tuple[str, ...]


def port_shapes(read: Read, key: ServiceKey) -> tuple[PortShape, ...]:
    """A service's ports as listeners see them."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    # What an alias's clients connect to is its target's address, or one that Envoy need not know.
    own = _has_own_listener(service) or service.resolution is Resolution.ALIAS
    subnets = tuple(address for address in service.addresses if "/" in address)
    return tuple(PortShape(port.number, port.protocol, own, subnets) for port in service.ports)


def hosts_on_port(read: Read, scope: Scope, port: int) -> tuple[HostRoutes, ...]:
    """The HTTP hosts that share one port, for a table that holds them all."""
    found = []
    for key in read.get(visible_services, scope.home):
        if any(shape.number == port and shape.protocol.is_http for shape in read.get(port_shapes, key)):
            found.append(read.get(host_routes, key, port, seen_by(scope, key)))
    return tuple(found)


def host_routes(read: Read, key: ServiceKey, port: int, scope: Scope) -> HostRoutes:
    """What decides the routes to a service's port from a scope, in the fewest words, so that callers share."""
    owner = read.get(route_owner, key.hostname, scope.home)
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner) if owner is not None else None
    hosts = {key.hostname, *(_hosts_named(read, routed) if routed is not None else ())}
    return HostRoutes(
        host=key.hostname,
        port=port,
        service=key,
        owner=owner,
        targets=tuple(_target(read, host, scope) for host in sorted(hosts)),
        caller=_caller(read, routed, scope),
        near=scope.namespace == key.namespace,
    )


def _caller(read: Read, routed: VirtualService | None, scope: Scope) -> Caller:
    matches = (match for _, route in http_routes(read, routed) for match in route.matches) if routed is not None else ()
    by_source = any(match.source.namespace or match.source.labels for match in matches)
    return Caller(scope.home, scope.labels) if by_source else Caller()


def _hosts_named(read: Read, routed: VirtualService) -> set[str]:
    hosts: set[str] = set()

    def note(destination: Destination) -> str:
        hosts.add(destination.host)
        return ""

    for _, route in http_routes(read, routed):
        hosts.update(share.destination.host for share in route.destinations)
        for policy in route.policies.that(Routed):
            policy.resolved(note)
    return hosts


def _target(read: Read, host: str, scope: Scope) -> Target:
    service = resolved_service(read, host, scope.home)
    return (
        Target(host, service.key, read.get(rule_at, service.key, scope))
        if service is not None
        else Target(host, None, None)
    )


def foreign_hosts(read: Read, scope: Scope) -> tuple[HostRoutes, ...]:
    """The hosts that VirtualServices route though no service has the name."""
    found = (read.get(foreign_host, host, anybody(scope)) for host in read.keys(Table.ROUTED_HOST) if host != "*")
    return tuple(host for host in found if host is not None)


def foreign_host(read: Read, host: str, scope: Scope) -> HostRoutes | None:
    """What decides the routes to a host that is routed but is no service's name; None where it is one's."""
    owner: ObjectRef | None = read.get(route_owner, host, scope.home)
    if owner is None or read.get(service_key, host, scope.home) is not None:
        return None
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner)
    if routed is None or not routed.http or host not in routed.hosts:
        return None
    if host.startswith("*") and _covers_services(host, read.get(visible_services, scope.home)):
        return None
    targets = tuple(_target(read, name, scope) for name in sorted(_hosts_named(read, routed)))
    return HostRoutes(host, FOREIGN_PORT, None, owner, targets, _caller(read, routed, scope))


def _covers_services(host: str, known: tuple[ServiceKey, ...]) -> bool:
    return any(key.hostname.endswith(host[1:]) for key in known)
