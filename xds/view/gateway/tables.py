"""The route tables of a router: one for the plain HTTP of a port, one for each server that ends TLS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from xds.model.gateway import API_GROUP, ISTIO_GROUP, BoundHost, BoundRoute
from xds.model.policy import Routed
from xds.model.refs import ObjectRef
from xds.model.route import Destination, WeightedDestination
from xds.model.service import ServiceKey
from xds.model.snapshot import Table
from xds.view.gateway.bindings import At, host_names, host_routes
from xds.view.gateway.istio import catch_all_last
from xds.view.graph import Call, Read, call
from xds.view.names import virtual_host
from xds.view.routes import HostRoutes, bound_route, target
from xds.view.scope import Scope
from xds.view.specs.routes import RouteTable, VirtualHostSpec

_NOBODY: Final = "blackhole"


class EdgeTable(NamedTuple):
    """A route table: its name, the Service's port, the servers whose hosts are in it, and what the router sees.

    ``http3_port`` is where the same is served over HTTP/3, or 0.
    """

    name: str
    port: int
    servers: tuple[At, ...]
    scope: Scope
    http3_port: int = 0


def table_leaves(read: Read, table: EdgeTable) -> tuple[Call, ...]:
    """What makes a table: its hosts travel one by one where the router's xDS can (VHDS)."""
    if not table.scope.vhds:
        return (call(whole_table, table),)
    hosts = read.get(table_hosts, table)
    return (call(empty_table, table), *(call(edge_host, table, host) for host in hosts or (_NOBODY,)))


def empty_table(read: Read, table: EdgeTable) -> tuple[RouteTable, ...]:
    """The table alone."""
    return (RouteTable(table.name, vhds=True, http3_port=table.http3_port),)


def whole_table(read: Read, table: EdgeTable) -> tuple[RouteTable, ...]:
    """The table with its hosts."""
    names = read.get(table_hosts, table) or (_NOBODY,)
    hosts = tuple(spec for name in names for spec in read.get(edge_host, table, name))
    return (RouteTable(table.name, hosts, http3_port=table.http3_port),)


def table_hosts(read: Read, table: EdgeTable) -> tuple[str, ...]:
    """The hosts of a table: those with routes, and those that are sent to https whatever is asked for."""
    redirected = (each.host for at in table.servers if at.server.https_redirect for each in at.server.hosts)
    return tuple(sorted({*(host for at in table.servers for host in host_names(read, at)), *redirected}))


def bound_host(read: Read, table: EdgeTable, host: str) -> BoundHost:
    """The routes of one host of a table."""
    parts = [part for at in table.servers if (part := host_routes(read, at, host)).routes]
    if len(parts) == 1:
        return parts[0]
    return _joined(host, parts)


def _joined(host: str, parts: Iterable[BoundHost]) -> BoundHost:
    # A VirtualService may be bound through several servers of a port: its routes count once.
    routes = dict.fromkeys(route for part in parts for route in part.routes)
    return BoundHost(host, catch_all_last(routes))


def edge_host(read: Read, table: EdgeTable, host: str) -> tuple[VirtualHostSpec, ...]:
    """The virtual host of a host; ``blackhole`` is that of a table without any."""
    name = virtual_host(table.name, host, table.port)
    if host == _NOBODY:
        for at in table.servers:
            sign(read, at.gateway)
        return (VirtualHostSpec(table.name, name, ("*",), ()),)
    # Whose routes are looked through is no author of those of this host.
    routes = read.aside(bound_host, table, host).routes
    authors = [ref for route in routes for ref in (route.authored, route.root) if ref is not None]
    for author in dict.fromkeys(authors or (at.gateway for at in table.servers)):
        sign(read, author)
    targets = tuple(read.get(target, each, table.scope) for each in _hosts_named(routes))
    wanted = HostRoutes(host, table.port, None, None, targets)
    specs = tuple(bound_route(read, wanted, route) for route in routes)
    redirected = any(
        at.server.https_redirect and any(each.host == host for each in at.server.hosts) for at in table.servers
    )
    return (VirtualHostSpec(table.name, name, (host,), specs, require_tls=redirected or _covered(table, host)),)


_TABLES: Final = {
    (ISTIO_GROUP, "Gateway"): Table.GATEWAY,
    (ISTIO_GROUP, "VirtualService"): Table.VIRTUAL_SERVICE,
    (API_GROUP, "Gateway"): Table.API_GATEWAY,
}


def sign(read: Read, author: ObjectRef) -> None:
    """Note the object, a gateway or a route, as an author of what is made."""
    read.first(_TABLES.get((author.group, author.kind), Table.API_ROUTE), author)


def _covered(table: EdgeTable, host: str) -> bool:
    # What a redirecting server takes by a wildcard is redirected too, unless another server of the port takes it plain.
    def takes(redirecting: bool) -> bool:
        servers = (at.server for at in table.servers if at.server.https_redirect is redirecting)
        return any(
            (each.host.startswith("*") and host.endswith(each.host[1:])) or each.host == host
            for server in servers
            for each in server.hosts
        )

    return takes(True) and not takes(False)


def _hosts_named(routes: Iterable[BoundRoute]) -> list[str]:
    hosts: set[str] = set()

    def note(destination: Destination) -> str:
        hosts.add(destination.host)
        return ""

    for bound in routes:
        hosts.update(share.destination.host for share in bound.route.destinations)
        for policy in bound.route.policies.that(Routed):
            policy.resolved(note)
    return sorted(hosts)


def table_services(read: Read, table: EdgeTable) -> tuple[ServiceKey, ...]:
    """The services that the routes of a table name, sorted."""
    found = {key for host in read.get(table_hosts, table) for key in read.get(host_services, table, host)}
    return tuple(sorted(found))


def host_services(read: Read, table: EdgeTable, host: str) -> tuple[ServiceKey, ...]:
    """The services that the routes of a host name, sorted."""
    return known_services(read, _hosts_named(read.get(bound_host, table, host).routes), table.scope)


def known_services(read: Read, hosts: Iterable[str], scope: Scope) -> tuple[ServiceKey, ...]:
    """The services that hosts mean to a router, as far as there are any, sorted."""
    found = {read.get(target, host, scope).service for host in hosts}
    return tuple(sorted(key for key in found if key is not None))


def named_by(shares: Iterable[WeightedDestination]) -> tuple[str, ...]:
    """The hosts that shares go to."""
    return tuple(dict.fromkeys(share.destination.host for share in shares))
