"""Listeners to which applications connect by their address: of Sidecars' entries with one of their own, of the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from xds.model.mesh import Beyond, OutboundMode
from xds.model.service import Protocol, ServiceKey
from xds.model.sidecar import Egress
from xds.view import names
from xds.view.explicit import ExplicitProxy, explicit_listener, explicit_table, proxied_hosts
from xds.view.graph import Call, Read, call
from xds.view.hosts_reached import host_routes
from xds.view.listeners import ALL, tcp_chain
from xds.view.ports_reached import PortShape, port_shapes
from xds.view.routes import unknown_hosts, virtual_host
from xds.view.scope import Scope, mesh, seen_by
from xds.view.sidecar_at import sidecar
from xds.view.sidecars import beyond, own_namespace, reached_services
from xds.view.specs.listeners import Chain, HttpChain, ListenerSpec
from xds.view.specs.routes import RouteTable, VirtualHostSpec

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
            leaves += [call(bound_listener, entry, "", scope), call(bound_table, entry, scope)]
        else:
            first = next((key for key, _ in _hosts(read, entry, scope)), None)
            if first is not None:
                cluster = names.outbound_cluster(entry.port, "", first.hostname)
                leaves.append(call(bound_listener, entry, cluster, scope))
    return tuple(leaves)


def bound_listener(read: Read, entry: Egress, cluster: str, scope: Scope) -> tuple[ListenerSpec, ...]:
    """The listener of an entry: HTTP by its own table, anything else to ``cluster``."""
    sidecar(read, scope.sidecar)  # which is the author
    name = names.bound(entry.bind, entry.port)
    if cluster:
        chain = tcp_chain(name, cluster)
    else:
        content = HttpChain(f"outbound_{name}", name, paths=read.get(mesh).paths)
        chain = Chain(name, ALL, content)
    return (ListenerSpec(name, entry.bind, entry.port, (), fallback=chain, bind=entry.opened),)


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
        for spec in _virtual_hosts(read, key, shape.number, scope)
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
        if entry.imports(*key, own):
            for shape in read.get(port_shapes, key):
                if entry.forward_proxy or entry.port in (0, shape.number):
                    yield key, shape


def _speaks_http(shape: PortShape) -> bool:
    return shape.protocol.is_http or shape.protocol is Protocol.AUTO


def _virtual_hosts(read: Read, key: ServiceKey, port: int, scope: Scope) -> tuple[VirtualHostSpec, ...]:
    wanted = read.get(host_routes, key, port, seen_by(scope, key))
    return read.get(virtual_host, names.port_routes(port), wanted)
