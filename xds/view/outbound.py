"""What one caller may reach: which makers make its outbound configuration, service by service.

Three levels, so that work follows the change: the *groups* of a scope (one a service), the *leaves* of a group, and the
specs that a leaf makes. A new service adds one group; an edited one re-makes its own; the others are not looked at.
"""

from __future__ import annotations

from xds.model.endpoint import EndpointKey
from xds.model.policy import Routed
from xds.model.refs import ObjectRef
from xds.model.route import Destination, VirtualService
from xds.model.service import DestinationRule, Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, policies_for, route_owner, rule, rule_at
from xds.view.clusters import discovery, mesh_clusters, service_clusters, subset_names
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
    Caller,
    HostRoutes,
    Target,
    port_table,
    sniffed_table,
    virtual_host,
    whole_table,
)
from xds.view.scope import Scope, mesh, resolved_service, visible_services
from xds.view.specs import Discovery

FOREIGN_PORT = 80  # hosts that only a VirtualService knows are served on this port (istio-semantics 1.1)


def groups(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The groups of a scope: one a visible service, and one of what belongs to no service."""
    services = read.get(visible_services, scope.home)
    return (
        call(common, scope),
        *(call(service_leaves, key, _seen_by(key, scope)) for key in services),
    )


def _seen_by(key: ServiceKey, scope: Scope) -> Scope:
    # Callers of other namespaces than the service's own see it alike: they share one group.
    return scope if scope.namespace == key.namespace else Scope("", scope.home, scope.labels, scope.vhds)


def common(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The leaves that belong to no service: the skeleton, the listeners of ports, hosts of VirtualServices alone."""
    leaves = [call(mesh_clusters), call(virtual_outbound)]
    claimed = read.get(port_claims, scope)
    leaves += [call(wildcard_listener, claims) for claims in claimed]
    foreign = read.get(foreign_hosts, scope)
    for claims in claimed:
        if not claims.http:
            continue
        hosts = foreign if claims.port == FOREIGN_PORT else ()
        if scope.vhds:
            table = names.port_routes(claims.port)
            leaves += [
                call(port_table, claims.port),
                *(call(virtual_host, table, host) for host in hosts),
            ]
        else:
            leaves.append(
                call(
                    whole_table,
                    claims.port,
                    (*read.get(hosts_on_port, scope, claims.port), *hosts),
                )
            )
    return tuple(leaves)


def service_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The leaves of one service: its clusters, their endpoints, its virtual hosts and its own listeners."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, scope)
    leaves = [call(service_clusters, key, at)] if service.resolution is not Resolution.ALIAS else []
    leaves += _endpoint_leaves(read, service, at)
    for port in service.ports:
        if port.protocol.is_http:
            if scope.vhds:
                wanted = read.get(host_routes, key, port.number, scope)
                leaves.append(call(virtual_host, names.port_routes(port.number), wanted))
        elif _has_own_listener(service):
            leaves.append(call(service_listener, key, port.number))
            if port.protocol is Protocol.AUTO:
                leaves.append(call(sniffed_table, read.get(host_routes, key, port.number, scope)))
    return tuple(leaves)


def _has_own_listener(service: Service) -> bool:
    return bool(service.addresses) or service.resolution is Resolution.HEADLESS


def _endpoint_leaves(read: Read, service: Service, at: RuleAt | None) -> list[Call]:
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    settings = read.get(mesh)
    leaves = []
    for port in service.ports:
        for subset in subset_names(found):
            policies = policies_for(found, subset, port.number).over(settings.cluster_policies)
            if discovery(service, policies) is not Discovery.EDS:
                continue
            cluster = names.outbound_cluster(port.number, subset, service.hostname)
            key = EndpointKey(service.hostname, service.namespace, port.number)
            leaves.append(call(endpoint_group, cluster, key, _labels_of(found, subset)))
    return leaves


def _labels_of(found: DestinationRule | None, subset: str) -> frozenset[tuple[str, str]]:
    subsets = found.subsets if found is not None else ()
    return next((each.labels for each in subsets if each.name == subset), frozenset())


def port_claims(read: Read, scope: Scope) -> tuple[PortClaims, ...]:
    """What is said on each port of all addresses, over all visible services, sorted by port."""
    http: set[int] = set()
    by_sni: dict[int, list[ServiceKey]] = {}
    tcp: dict[int, ServiceKey] = {}
    for key in read.get(visible_services, scope.home):
        for number, protocol, addressed in read.get(port_shapes, key):
            if protocol.is_http:
                http.add(number)
            elif not addressed and protocol.is_tls:
                by_sni.setdefault(number, []).append(key)
            elif not addressed:
                tcp.setdefault(number, key)
    if read.get(foreign_hosts, scope):
        http.add(FOREIGN_PORT)
    return tuple(
        PortClaims(port, port in http, tuple(by_sni.get(port, ())), tcp.get(port))
        for port in sorted(http | by_sni.keys() | tcp.keys())
    )


def port_shapes(read: Read, key: ServiceKey) -> tuple[tuple[int, Protocol, bool], ...]:
    """A service's ports as listeners see them: number, protocol, whether the service has addresses of its own."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    return tuple((port.number, port.protocol, _has_own_listener(service)) for port in service.ports)


def hosts_on_port(read: Read, scope: Scope, port: int) -> tuple[HostRoutes, ...]:
    """The HTTP hosts that share one port, for a table that holds them all."""
    found = []
    for key in read.get(visible_services, scope.home):
        if any(number == port and protocol.is_http for number, protocol, _ in read.get(port_shapes, key)):
            found.append(read.get(host_routes, key, port, _seen_by(key, scope)))
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
        caller=_caller(routed, scope),
        near=scope.namespace == key.namespace,
    )


def _caller(routed: VirtualService | None, scope: Scope) -> Caller:
    return Caller(scope.home, scope.labels) if routed is not None and routed.by_source else Caller()


def _hosts_named(read: Read, routed: VirtualService) -> set[str]:
    hosts: set[str] = set()

    def note(destination: Destination) -> str:
        hosts.add(destination.host)
        return ""

    for _, route in http_routes(read, routed):
        hosts.update(share.destination.host for share in route.destinations)
        for policy in route.policies:
            if isinstance(policy, Routed):
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
    known = {key.hostname for key in read.get(visible_services, scope.home)}
    found = []
    for host in read.keys(Table.ROUTED_HOST):
        owner: ObjectRef | None = read.get(route_owner, host, scope.home)
        if host in known or host == "*" or owner is None:
            continue
        routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner)
        if routed is None or not routed.http or host not in routed.hosts or _covers_services(host, known):
            continue
        targets = tuple(_target(read, name, scope) for name in sorted(_hosts_named(read, routed)))
        found.append(HostRoutes(host, FOREIGN_PORT, None, owner, targets, _caller(routed, scope)))
    return tuple(found)


def _covers_services(host: str, known: set[str]) -> bool:
    return host.startswith("*") and any(name.endswith(host[1:]) for name in known)
