"""What one caller may reach: which makers make its outbound configuration, service by service.

Three levels, so that work follows the change: the *groups* of a scope (one a service), the *leaves* of a group, and the
specs that a leaf makes. A new service adds one group; an edited one re-makes its own; the others are not looked at.
"""

from __future__ import annotations

from typing import Final

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.mesh import OutboundMode
from xds.model.placement import Place
from xds.model.service import DestinationRule, Protocol, Resolution, Service, ServiceKey, ServicePort
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule, rule_at
from xds.view.bound_egress import bound_leaves
from xds.view.callers import WorkloadName, callers_by_zone
from xds.view.clusters import (
    EVERYWHERE,
    cluster_policies,
    discovery,
    dynamic_cluster,
    mesh_clusters,
    service_clusters,
    subset_labels,
    subset_names,
)
from xds.view.connections import connections, unknown_connections
from xds.view.connections_reached import calling, connection_routes, foreign_connections, own_addresses
from xds.view.endpoints import SIDECARS, Callers, endpoint_group, placed_group
from xds.view.frontends import asked_by_address
from xds.view.graph import Call, Read, call
from xds.view.hosts_reached import foreign_hosts, host_routes, hosts_on_port
from xds.view.listeners import (
    service_listener,
    virtual_outbound,
    wildcard_listener,
)
from xds.view.placement import asks_node, placement
from xds.view.ports_reached import has_own_listener, port_claims, reached_ports
from xds.view.route_tables import asked_table, port_table, sniffed_table, whole_table
from xds.view.routes import FOREIGN_PORT, virtual_host
from xds.view.scope import Scope, anywhere
from xds.view.secrets import named, secret
from xds.view.sidecars import beyond, captured_on, reached_services
from xds.view.specs.clusters import Discovery
from xds.view.viewpoints import callers_of, towards, towards_any

# Their endpoints stand in the cluster, which so differs by where callers are.
_RESOLVED: Final = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)


def groups(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The groups of what ``anybody`` reaches: one a visible service, and one of what belongs to no service."""
    services = reached_services(read, scope)
    if scope.on_demand:
        services = always(read, scope, services)
    return (call(common, anywhere(scope)), *(call(service_leaves, key, scope) for key in services))


def near_groups(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The groups of what a namespace's own callers see otherwise: its services have bare names, too."""
    return (call(near_leaves, scope), call(bound_leaves, scope))


def near_leaves(read: Read, scope: Scope) -> tuple[Call, ...]:
    """Virtual hosts with bare names, in place of those that ``groups`` makes under the same resource names."""
    leaves: list[Call] = []
    ports: set[int] = set()
    for key in reached_services(read, scope):
        if key.namespace != scope.namespace:
            continue
        for port in reached_ports(read, key, scope):
            if port.protocol.is_http:
                ports.add(port.number)
                wanted = read.get(host_routes, key, port.number, scope)
                leaves.append(call(virtual_host, names.port_routes(port.number), wanted))
    if scope.vhds:
        return tuple(leaves)
    return tuple(_whole_table(read, scope, port) for port in sorted(ports))


def _whole_table(read: Read, scope: Scope, port: int) -> Call:
    foreign = read.get(foreign_hosts, scope) if port == FOREIGN_PORT else ()
    hosts = (*read.get(hosts_on_port, scope, port), *foreign)
    return call(whole_table, port, hosts, read.get(beyond, scope.sidecar))


def common(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The leaves that belong to no service: the skeleton, the listeners of ports, hosts of VirtualServices alone."""
    unknown = read.get(beyond, scope.sidecar)
    leaves = [call(mesh_clusters, scope.families)]
    leaves += [call(virtual_outbound, scope.families)] if scope.intercepted else []
    leaves.append(call(unknown_connections, unknown))
    leaves += [call(dynamic_cluster)] if unknown.mode is OutboundMode.ALLOW_ANY_DYNAMIC_DNS else []
    foreign = read.get(foreign_hosts, scope)
    leaves += [call(connections, each) for each in read.get(foreign_connections, calling(scope))]
    for claims in read.get(port_claims, calling(scope), bool(foreign)):
        leaves.append(call(wildcard_listener, claims._replace(on_demand=scope.vhds, families=scope.families)))
        if not claims.http:
            continue
        if scope.on_demand:
            leaves.append(call(asked_table, claims.port))
        elif scope.vhds:
            hosts = foreign if claims.port == FOREIGN_PORT else ()
            table = names.port_routes(claims.port)
            by_address = read.get(asked_by_address, calling(scope), claims.port)
            leaves.append(call(port_table, claims.port, unknown, by_address))
            leaves += [call(virtual_host, table, host) for host in hosts]
        else:
            leaves.append(_whole_table(read, scope, claims.port))
    return tuple(leaves)


def always(read: Read, scope: Scope, keys: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
    """Those services that cannot be asked for, as not all of their ports are HTTP; and where their routes lead."""
    found: dict[ServiceKey, None] = {}
    for key in keys:
        for port in reached_ports(read, key, scope):
            if port.protocol.is_http:
                continue
            found[key] = None
            routed = read.get(connection_routes, key, port.number, calling(scope))
            found.update(dict.fromkeys(target.service for target in routed.targets if target.service is not None))
    return tuple(sorted(found))


def service_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The leaves of one service: its clusters, their endpoints, its virtual hosts and its own listeners."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    leaves = [*read.get(cluster_leaves, key, scope)]
    for port in service.ports:
        if not captured_on(read, scope, key, port.number):
            continue
        if not port.protocol.is_http:
            leaves += _connection_leaves(read, service, port, scope)
        elif scope.vhds and not scope.on_demand:
            wanted = read.get(host_routes, key, port.number, anywhere(scope))
            leaves.append(call(virtual_host, names.port_routes(port.number), wanted))
    return tuple(leaves)


def cluster_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The clusters of a service, their endpoints, and the Secrets that they need."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, anywhere(scope))
    place = Place(scope.locality, scope.labels)
    callers = callers_of(read, scope)
    any_port = towards_any(read, callers, service)
    if service.resolution in (*_RESOLVED, Resolution.ALIAS) and (place, any_port) != (EVERYWHERE, SIDECARS):
        leaves = [call(service_clusters, key, at, scope.identity, place, any_port)]
    else:
        leaves = [call(service_clusters, key, at, scope.identity)]
    leaves += endpoint_leaves(read, service, at, place, by_node=False, callers=callers)
    if at is not None and at.labels and scope.identity is Identity.ADS and scope.vouched:
        # One leaf a Secret: several rules may name it, and it stays while one of them does.
        leaves += [call(secret, at.namespace, name) for name in read.get(named, at)]
    return tuple(leaves)


def _connection_leaves(read: Read, service: Service, port: ServicePort, scope: Scope) -> list[Call]:
    """Where connections go to a port that is not HTTP, and the listeners of the service's own addresses."""
    if service.resolution is Resolution.ALIAS:
        return []
    routed = read.get(connection_routes, service.key, port.number, calling(scope))
    leaves = [call(connections, routed)]
    if has_own_listener(service):
        leaves.append(call(service_listener, routed, own_addresses(read, service, port.number, calling(scope))))
        if port.protocol is Protocol.AUTO:
            leaves.append(call(sniffed_table, read.get(host_routes, service.key, port.number, scope)))
    return leaves


def endpoint_leaves(
    read: Read, service: Service, at: RuleAt | None, place: Place, *, by_node: bool, callers: Callers = SIDECARS
) -> list[Call]:
    """The load assignments of a service for callers at ``place``: those that differ by node, or all others.

    Callers that are given the same share them.
    """
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    leaves = []
    for port in service.ports:
        for subset in subset_names(found):
            policies = cluster_policies(read, found, subset, port.number)
            if discovery(service, policies) is not Discovery.EDS:
                continue
            if asks_node(service, policies, place) is not by_node:
                continue
            cluster = names.outbound_cluster(port.number, subset, service.hostname)
            key = EndpointKey(service.hostname, service.namespace, port.number)
            labels, wanted = subset_labels(found, subset), placement(service, policies, place)
            led = towards(read, callers, service, port, policies)
            if wanted is None:
                leaves.append(call(endpoint_group, cluster, key, labels, led))
            else:
                leaves.append(call(placed_group, cluster, key, labels, wanted, led))
    return leaves


def by_node(read: Read, scope: Scope) -> tuple[ServiceKey, ...]:
    """The services of which callers in a scope are given other endpoints on another node."""
    place = Place(scope.locality, scope.labels)
    return tuple(key for key in reached_services(read, scope) if read.get(_asks_node, key, scope, place))


def _asks_node(read: Read, key: ServiceKey, scope: Scope, place: Place) -> bool:
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or service.resolution is not Resolution.STATIC:
        return False
    at = read.get(rule_at, key, scope)
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    pairs = ((port, subset) for port in service.ports for subset in subset_names(found))
    return any(asks_node(service, cluster_policies(read, found, subset, port.number), place) for port, subset in pairs)


def node_leaves(read: Read, scope: Scope, node: str, workload: WorkloadName | None) -> tuple[Call, ...]:
    """The load assignments that callers on a node, of a workload, have of their own; ``""`` and None if unknown."""
    callers = read.get(callers_by_zone, workload) if workload is not None else ()
    leaves: list[Call] = []
    for key in read.get(by_node, scope):
        service: Service | None = read.first(Table.SERVICE, key)
        if service is not None:
            place = Place(scope.locality, scope.labels, node, callers)
            at, led = read.get(rule_at, key, scope), callers_of(read, scope)
            leaves += endpoint_leaves(read, service, at, place, by_node=True, callers=led)
    return tuple(leaves)
