"""The explicit HTTP proxy of a sidecar whose traffic is not intercepted: one listener, the hosts of all ports."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from xds.model.service import Protocol, ServiceKey
from xds.view import names
from xds.view.graph import Read
from xds.view.hosts_reached import foreign_hosts, service_virtual_hosts
from xds.view.ports_reached import port_shapes
from xds.view.route_tables import unknown_hosts
from xds.view.routes import FOREIGN_PORT, virtual_host
from xds.view.scope import Scope, mesh
from xds.view.sidecars import beyond, reached_services
from xds.view.specs.listeners import Chain, ChainMatch, HttpChain, ListenerSpec
from xds.view.specs.routes import RouteTable, VirtualHostSpec


class ExplicitProxy(NamedTuple):
    """Where the proxy listens, and for whom."""

    address: str
    port: int
    scope: Scope


def explicit_listener(read: Read, explicit: ExplicitProxy) -> tuple[ListenerSpec, ...]:
    """The listener that applications name in ``http_proxy``."""
    content = HttpChain(f"outbound_{names.HTTP_PROXY}", names.HTTP_PROXY, paths=read.get(mesh).paths)
    chain = Chain(names.HTTP_PROXY, ChainMatch(), content)
    return (ListenerSpec(names.HTTP_PROXY, explicit.address, explicit.port, (), fallback=chain, bind=True),)


def explicit_table(read: Read, scope: Scope) -> tuple[RouteTable, ...]:
    """The routes of all HTTP hosts; those on another port than 80 are asked for with it."""
    hosts = [*proxied_hosts(read, scope, reached_services(read, scope), names.HTTP_PROXY)]
    table = names.port_routes(FOREIGN_PORT)
    hosts += [
        replace(spec, table=names.HTTP_PROXY, domains=_with_port(spec.domains, FOREIGN_PORT))
        for wanted in read.get(foreign_hosts, scope)
        for spec in read.get(virtual_host, table, wanted)
    ]
    unknown = unknown_hosts(read, names.HTTP_PROXY, read.get(beyond, scope.sidecar))
    return (RouteTable(names.HTTP_PROXY, (*hosts, unknown), by_port=True),)


def proxied_hosts(read: Read, scope: Scope, keys: tuple[ServiceKey, ...], table: str) -> tuple[VirtualHostSpec, ...]:
    """The virtual hosts of all HTTP ports of these services, for a table that tells domains apart by port."""
    return tuple(
        replace(spec, table=table, domains=_with_port(spec.domains, shape.number))
        for key in keys
        for shape in read.get(port_shapes, key)
        if shape.protocol.is_http or shape.protocol is Protocol.AUTO  # what asks an HTTP proxy speaks HTTP
        for spec in service_virtual_hosts(read, key, shape.number, scope)
    )


def _with_port(domains: tuple[str, ...], port: int) -> tuple[str, ...]:
    bare = domains if port == FOREIGN_PORT else ()
    return (*bare, *(f"{domain}:{port}" for domain in domains))
