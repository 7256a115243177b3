"""The HTTP hosts that a caller reaches: what decides the routes of each, in the fewest words, so that callers share."""

from __future__ import annotations

from xds.model.route import VirtualService
from xds.model.service import ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import exported_to_all, owner_of
from xds.view.delegates import hosts_routed, http_routes
from xds.view.gateway_api.mesh_routes import hosts_of, mesh_routes
from xds.view.graph import Read
from xds.view.ports_reached import reached_ports
from xds.view.routes import FOREIGN_PORT, Caller, HostRoutes, target, virtual_host
from xds.view.scope import Scope, anybody, seen_by
from xds.view.sidecars import reached_services, reaches
from xds.view.specs.routes import VirtualHostSpec


def hosts_on_port(read: Read, scope: Scope, port: int) -> tuple[HostRoutes, ...]:
    """The HTTP hosts that share one port, for a table that holds them all."""
    found = []
    for key in reached_services(read, scope):
        if any(shape.number == port and shape.protocol.is_http for shape in reached_ports(read, key, scope)):
            found.append(read.get(host_routes, key, port, seen_by(scope, key)))
    return tuple(found)


def host_routes(read: Read, key: ServiceKey, port: int, scope: Scope) -> HostRoutes:
    """What decides the routes to a service's port from a scope, in the fewest words, so that callers share."""
    owner = owner_of(read, key.hostname, scope)
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner) if owner is not None else None
    attached = read.get(mesh_routes, key, port, scope.home)
    if attached and (routed is None or exported_to_all(read, routed)):
        owner, routed = None, None  # a VirtualService for some callers only wins over routes of the Gateway API
    else:
        attached = ()
    named = hosts_routed(read, routed) if routed is not None else hosts_of(read, attached)
    hosts = {key.hostname, *named}
    return HostRoutes(
        host=key.hostname,
        port=port,
        service=key,
        owner=owner,
        attached=attached,
        targets=tuple(target(read, host, scope) for host in sorted(hosts)),
        caller=_caller(read, routed, scope),
        near=scope.namespace == key.namespace,
    )


def _caller(read: Read, routed: VirtualService | None, scope: Scope) -> Caller:
    matches = (match for _, route in http_routes(read, routed) for match in route.matches) if routed is not None else ()
    by_source = any(match.source.namespace or match.source.labels for match in matches)
    return Caller(scope.home, scope.labels) if by_source else Caller()


def service_virtual_hosts(read: Read, key: ServiceKey, port: int, scope: Scope) -> tuple[VirtualHostSpec, ...]:
    """The virtual hosts of a service's port, as callers of a scope have them."""
    wanted = read.get(host_routes, key, port, seen_by(scope, key))
    return read.get(virtual_host, names.port_routes(port), wanted)


def foreign_hosts(read: Read, scope: Scope) -> tuple[HostRoutes, ...]:
    """The hosts that VirtualServices route though no service has the name."""
    found = (read.get(foreign_host, host, anybody(scope)) for host in read.keys(Table.ROUTED_HOST) if host != "*")
    return tuple(host for host in found if host is not None)


def foreign_host(read: Read, host: str, scope: Scope) -> HostRoutes | None:
    """What decides the routes to a host that is routed but is no service's name; None where it is one's."""
    owner = owner_of(read, host, scope)
    if owner is None or reaches(read, scope, host):
        return None
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner)
    if routed is None or not routed.http or host not in routed.hosts:
        return None
    if host.startswith("*") and _covers_services(host, reached_services(read, scope)):
        return None
    targets = tuple(target(read, name, scope) for name in sorted(hosts_routed(read, routed)))
    return HostRoutes(host, FOREIGN_PORT, None, owner, targets, _caller(read, routed, scope))


def _covers_services(host: str, known: tuple[ServiceKey, ...]) -> bool:
    return any(key.hostname.endswith(host[1:]) for key in known)
