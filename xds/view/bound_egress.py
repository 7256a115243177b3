"""Listeners to which applications connect by their address: of Sidecars' entries with one of their own, of the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.model.mesh import Beyond, OutboundMode
from xds.model.service import Protocol, ServiceKey
from xds.model.sidecar import Egress
from xds.view import names
from xds.view.connection_chains import told_apart
from xds.view.connections import ConnectionRoutes, connections
from xds.view.connections_reached import calling, connection_routes
from xds.view.explicit import ExplicitProxy, explicit_listener, explicit_table, proxied_hosts
from xds.view.graph import Call, Read, call
from xds.view.hosts_reached import service_virtual_hosts
from xds.view.listeners import ALL, claims_of
from xds.view.ports_reached import PortShape, port_shapes
from xds.view.route_tables import unknown_hosts
from xds.view.scope import Scope, mesh
from xds.view.sidecar_at import sidecar
from xds.view.sidecars import beyond, own_namespace, reached_services
from xds.view.specs.listeners import Chain, HttpChain, ListenerSpec, Sniff
from xds.view.specs.routes import RouteTable

UNIX: Final = "unix://"
_LOOPBACK: Final = "127.0.0.1"


def bound_leaves(read: Read, scope: Scope) -> tuple[Call, ...]:
    """The leaves of a Sidecar's entries that have a listener of their own, and of the mesh's HTTP proxy."""
    leaves: list[Call] = []
    port = read.get(mesh).http_proxy_port
    if port and scope.intercepted:
        leaves += [call(explicit_listener, ExplicitProxy(_LOOPBACK, port, scope)), call(explicit_table, scope)]
    found = sidecar(read, scope.sidecar)
    for entry in found.egress if found is not None else ():
        if not entry.bind:
            continue
        if entry.forward_proxy or entry.protocol.is_http:
            leaves += [call(bound_listener, entry, scope), call(bound_table, entry, scope)]
        else:
            first = next(_hosts(read, entry, scope), None)
            if first is not None:
                # Where no other listener takes connections to that port, nobody else says where they go.
                routed = read.get(connection_routes, first[0], first[1].number, calling(scope))
                leaves += [call(bound_connections, entry, routed, scope), call(connections, routed)]
    return tuple(leaves)


def bound_listener(read: Read, entry: Egress, scope: Scope) -> tuple[ListenerSpec, ...]:
    """The listener of an entry for HTTP, by its own table."""
    sidecar(read, scope.sidecar)  # which is the author
    name = names.bound(entry.bind, entry.port)
    content = HttpChain(f"outbound_{name}", name, paths=read.get(mesh).paths)
    first, *others = scope.families.bound(entry.bind)
    chain, more = Chain(name, ALL, content), tuple(others)
    return (ListenerSpec(name, first, entry.port, (), fallback=chain, bind=entry.opened, additional_addresses=more),)


def bound_connections(read: Read, entry: Egress, routed: ConnectionRoutes, scope: Scope) -> tuple[ListenerSpec, ...]:
    """The listener of an entry for anything else: connections go where those to the first of its hosts do."""
    sidecar(read, scope.sidecar)  # which is the author
    claims = claims_of(read, routed)
    found = told_apart(entry.port, claims, None)
    by_name = any(claim.sni or claim.resolves for claim in claims)
    first, *others = scope.families.bound(entry.bind)
    return (
        ListenerSpec(
            name=names.bound(entry.bind, entry.port),
            address=first,
            additional_addresses=tuple(others),
            port=entry.port,
            chains=found.chains,
            fallback=found.rest,
            bind=entry.opened,
            sniff=Sniff.TLS if by_name else Sniff.NOTHING,
            sniff_timeout=read.get(mesh).protocol_detection_timeout if by_name else timedelta(0),
        ),
    )


def bound_table(read: Read, entry: Egress, scope: Scope) -> tuple[RouteTable, ...]:
    """The routes of an entry's own HTTP listener: the hosts of its port, or of all ports by the port asked for."""
    name = names.bound(entry.bind, entry.port)
    unknown = unknown_hosts(read, name, _beyond(read, entry, scope))
    if entry.forward_proxy or not entry.port:
        keys = tuple(dict.fromkeys(key for key, _ in _hosts(read, entry, scope)))
        return (RouteTable(name, (*proxied_hosts(read, scope, keys, name), unknown), by_port=True),)
    hosts = [
        replace(spec, table=name)
        for key, shape in _hosts(read, entry, scope)
        if _speaks_http(shape)
        for spec in service_virtual_hosts(read, key, shape.number, scope)
    ]
    return (RouteTable(name, (*hosts, unknown)),)


def _beyond(read: Read, entry: Egress, scope: Scope) -> Beyond:
    found = read.get(beyond, scope.sidecar)
    # Who has connected to the proxy itself has said no other place to go to.
    return Beyond(OutboundMode.REGISTRY_ONLY) if entry.opened and found.proxy is None else found


def _hosts(read: Read, entry: Egress, scope: Scope) -> Iterator[tuple[ServiceKey, PortShape]]:
    found = sidecar(read, scope.sidecar)
    own = own_namespace(found, scope.home) if found is not None else scope.home
    for key in reached_services(read, scope):
        for shape in read.get(port_shapes, key) if entry.imports(*key, own) else ():
            if entry.forward_proxy or entry.port in (0, shape.number):
                yield key, shape


def _speaks_http(shape: PortShape) -> bool:
    return shape.protocol.is_http or shape.protocol is Protocol.AUTO
