"""What one caller may reach: which makers make its outbound configuration, service by service.

Three levels, so that work follows the change: the *groups* of a scope (one a service), the *leaves* of a group, and the
specs that a leaf makes. A new service adds one group; an edited one re-makes its own; the others are not looked at.
"""

from __future__ import annotations

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.service import DestinationRule, Protocol, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule, rule_at
from xds.view.clusters import cluster_policies, discovery, mesh_clusters, service_clusters, subset_labels, subset_names
from xds.view.endpoints import endpoint_group
from xds.view.graph import Call, Read, call
from xds.view.hosts_reached import foreign_hosts, host_routes, hosts_on_port
from xds.view.listeners import (
    service_listener,
    virtual_outbound,
    wildcard_listener,
)
from xds.view.ports_reached import has_own_listener, port_claims, port_shapes
from xds.view.routes import (
    FOREIGN_PORT,
    port_table,
    sniffed_table,
    virtual_host,
    whole_table,
)
from xds.view.scope import Scope, visible_services
from xds.view.secrets import named, secret
from xds.view.specs import Discovery


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
        elif has_own_listener(service):
            leaves.append(call(service_listener, key, port.number, at))
            if port.protocol is Protocol.AUTO:
                leaves.append(call(sniffed_table, read.get(host_routes, key, port.number, scope)))
    return tuple(leaves)


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
