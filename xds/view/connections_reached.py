"""The ports that a caller reaches without HTTP: what decides where connections to each go, in the fewest words."""

from __future__ import annotations

from xds.model.route import ConnectionRoute, VirtualService
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.attach import exported_to_all, matches, owner_of, rule_at
from xds.view.connections import TLS_PORT, ConnectionRoutes, may_match
from xds.view.gateway_api.mesh_routes import hosts_of, mesh_connections
from xds.view.graph import Read
from xds.view.listeners import OwnAddress
from xds.view.routes import Caller, Target, target
from xds.view.scope import Scope, seeing, service_key
from xds.view.sidecars import beyond, captured_on, reaches


def calling(scope: Scope) -> Scope:
    """As much of a scope as decides where its callers' connections go."""
    return seeing(scope)._replace(labels=scope.labels)


def connection_routes(read: Read, key: ServiceKey, port: int, scope: Scope) -> ConnectionRoutes:
    """What decides where connections of callers who are ``calling`` to a service's port go."""
    owner = owner_of(read, key.hostname, scope)
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner) if owner is not None else None
    attached = read.get(mesh_connections, key, port, scope.home)
    if attached and (routed is None or exported_to_all(read, routed)):
        named = {key.hostname, *hosts_of(read, attached)}
        led = tuple(target(read, host, scope) for host in sorted(named))
        return ConnectionRoutes(key.hostname, port, key, None, led, attached=attached)
    if routed is None or not (routed.tls or routed.tcp):
        own = Target(key.hostname, key, read.get(rule_at, key, scope))
        return ConnectionRoutes(key.hostname, port, key, None, (own,))
    hosts = {key.hostname, *_hosts_named(routed)}
    targets = tuple(target(read, host, scope) for host in sorted(hosts))
    unknown = read.get(beyond, scope.sidecar)
    return ConnectionRoutes(key.hostname, port, key, owner, targets, _caller(routed, scope), unknown)


def own_addresses(read: Read, service: Service, number: int, scope: Scope) -> tuple[OwnAddress, ...]:
    """Where callers of a scope reach a port of a service at addresses of its own, sorted.

    Envoy refuses a second listener on an address and port: a Kubernetes Service has it, then the oldest. Others beside
    it are reached by their SNI, where it is TLS that both speak.
    """
    found = []
    for address in sorted(address for address in service.addresses if "/" not in address):
        known: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, address)
        rivals = [each for each in known if each.port(number) and _reached(read, each, number, scope)]
        if rivals and rivals[0].key == service.key:
            tls = [each for each in rivals if _speaks_tls(each, number)]
            others = tls[1:] if _speaks_tls(service, number) else []
            routes = tuple(read.get(connection_routes, each.key, number, scope) for each in others)
            found.append(OwnAddress(address, routes))
    return tuple(found)


def _reached(read: Read, service: Service, number: int, scope: Scope) -> bool:
    seen = read.get(service_key, service.hostname, scope.home) == service.key and reaches(read, scope, service.hostname)
    return seen and captured_on(read, scope, service.key, number)


def _speaks_tls(service: Service, number: int) -> bool:
    port = service.port(number)
    return port is not None and port.protocol.is_tls


def foreign_connections(read: Read, scope: Scope) -> tuple[ConnectionRoutes, ...]:
    """What decides where TLS connections go to hosts that VirtualServices route though no service has the name.

    Istio serves none of them; Envoy can, as a TLS connection says which host it is for.
    """
    found = (read.get(_foreign, host, scope) for host in read.keys(Table.ROUTED_HOST) if host != "*")
    return tuple(each for of_host in found for each in of_host)


def _foreign(read: Read, host: str, scope: Scope) -> tuple[ConnectionRoutes, ...]:
    owner = owner_of(read, host, scope)
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner) if owner is not None else None
    if routed is None or not routed.tls or host not in routed.hosts:
        return ()
    if reaches(read, scope, host):
        return ()
    caller = _caller(routed, scope)
    targets = tuple(target(read, name, scope) for name in sorted(_hosts_named(routed)))
    return tuple(ConnectionRoutes(host, port, None, owner, targets, caller) for port in _ports(routed, host, caller))


def _ports(routed: VirtualService, host: str, caller: Caller) -> list[int]:
    ports: set[int] = set()
    for route in routed.tls:
        for match in route.matches:
            port = match.source.port or TLS_PORT
            if any(matches(host, sni) for sni in match.sni_hosts) and may_match(match, routed.gateways, port, caller):
                ports.add(port)
    return sorted(ports)


def _routes(routed: VirtualService) -> tuple[ConnectionRoute, ...]:
    return (*routed.tls, *routed.tcp)


def _hosts_named(routed: VirtualService) -> set[str]:
    return {share.destination.host for route in _routes(routed) for share in route.destinations}


def _caller(routed: VirtualService, scope: Scope) -> Caller:
    sources = (match.source for route in _routes(routed) for match in route.matches)
    by_source = any(source.namespace or source.labels for source in sources)
    return Caller(scope.home, scope.labels) if by_source else Caller()
