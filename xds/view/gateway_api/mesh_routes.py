"""Routes whose parent is a Service: what is done with requests that are sent to it within the mesh (GAMMA)."""

from __future__ import annotations

from xds.model.gateway import BoundRoute
from xds.model.gateway_api import ApiRoute
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import WeightedDestination
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.gateway_api.alternatives import Entrance, alternatives, connection_shares
from xds.view.gateway_api.precedence import ordered
from xds.view.graph import Read

HTTP_KINDS = ("GRPCRoute", "HTTPRoute")
CONNECTION_KINDS = ("TCPRoute", "TLSRoute")


def mesh_routes(read: Read, key: ServiceKey, port: int, home: str) -> tuple[ObjectRef, ...]:
    """The routes of a Service's port for callers in ``home``, the oldest first; none where it has none.

    Routes of the caller's namespace (consumer routes) take the place of those of the Service's (producer routes); of
    other namespaces none count. Source: GEP-1426, istio-semantics 7.5.
    """
    return _of_kinds(read, key, port, home, HTTP_KINDS)


def mesh_connections(read: Read, key: ServiceKey, port: int, home: str) -> tuple[ObjectRef, ...]:
    """The same of routes for what is not HTTP: TCPRoutes, and TLSRoutes where the port is declared to speak TLS."""
    service: Service | None = read.first(Table.SERVICE, key)
    declared = service.port(port) if service is not None else None
    if declared is None or declared.protocol.is_http:
        return ()
    return _of_kinds(read, key, port, home, CONNECTION_KINDS if declared.protocol.is_tls else CONNECTION_KINDS[:1])


def _of_kinds(read: Read, key: ServiceKey, port: int, home: str, kinds: tuple[str, ...]) -> tuple[ObjectRef, ...]:
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or not service.kubernetes:
        return ()
    named: list[ApiRoute] = []
    for ref in read.rows(Table.PARENT, service.ref):
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        if route is not None and ref.kind in kinds and _is_for(route, service.ref, port):
            named.append(route)
    named.sort(key=lambda route: route.age)
    of_caller = [route.ref for route in named if route.ref.namespace == home]
    of_service = [route.ref for route in named if route.ref.namespace == key.namespace]
    return tuple(of_caller or of_service)


def _is_for(route: ApiRoute, service: ObjectRef, port: int) -> bool:
    return any(
        parent.is_service and parent.target(route.ref.namespace) == service and parent.port in (0, port)
        for parent in route.parents
    )


def hosts_of(read: Read, routes: tuple[ObjectRef, ...]) -> set[str]:
    """The hosts that those routes lead to, copies included."""
    found: set[str] = set()
    for ref in routes:
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        for rule in route.rules if route is not None else ():
            found.update(each.destination.host for each in (*rule.backends, *rule.mirrors))
    return found


def led_to(read: Read, key: ServiceKey, home: str) -> frozenset[str]:
    """The hosts that the routes of a Service's ports lead callers in ``home`` to."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or not read.rows(Table.PARENT, service.ref):
        return frozenset()
    found: set[str] = set()
    for port in service.ports:
        routes = (*mesh_routes(read, key, port.number, home), *mesh_connections(read, key, port.number, home))
        found |= hosts_of(read, routes)
    return frozenset(found)


def connection_ways(
    read: Read, routes: tuple[ObjectRef, ...]
) -> tuple[tuple[str, tuple[WeightedDestination, ...]], ...]:
    """Where connections go under those routes, by server name (``""``: whatever it is), the first of a name counts."""
    found: dict[str, tuple[WeightedDestination, ...]] = {}
    for ref in routes:
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        if route is not None:
            shares = connection_shares(read, route, granted=True)
            for name in route.hostnames or ("",):
                found.setdefault(name, shares)
    return tuple(found.items())


def unmatched(read: Read, routes: tuple[ObjectRef, ...]) -> Policies:
    """What answers requests that no rule of those routes matches."""
    first: ApiRoute | None = read.first(Table.API_ROUTE, routes[0])
    return first.unmatched if first is not None else NO_POLICIES


def mesh_alternatives(read: Read, routes: tuple[ObjectRef, ...], port: int) -> tuple[BoundRoute, ...]:
    """What is done with requests to a Service's port under those routes, in the order in which rules are tried."""
    entrance = Entrance(port, mesh=True)
    found: list[tuple[ApiRoute, BoundRoute]] = []
    for ref in routes:
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        if route is not None:
            found += [(route, bound) for bound in read.get(alternatives, ref, entrance)]
    return tuple(ordered(found))
