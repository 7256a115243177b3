"""The connections of a router that are not read as HTTP: which chains take them, and where they go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xds.model.gateway import BoundConnection, EdgeTlsMode, Server
from xds.model.route import WeightedDestination
from xds.model.service import ServiceKey
from xds.view.connections import ConnectionRoutes, alpn_to, passed_to, resolves_to
from xds.view.gateway.bindings import At, connections
from xds.view.gateway.server_names import suffix
from xds.view.gateway.tables import known_services, named_by, sign
from xds.view.graph import Read
from xds.view.routes import target
from xds.view.scope import Scope
from xds.view.specs.listeners import Guard
from xds.view.specs.resources import ConnectionSpec, OfferedProtocols


class EdgeConnections(NamedTuple):
    """The servers of a port whose connections are passed on, and what the router sees."""

    port: int
    servers: tuple[At, ...]
    scope: Scope
    bind: str = ""


class EdgeBranch(NamedTuple):
    """Connections that a chain takes: of this server (by place), by this SNI and at these addresses, if any."""

    server: int
    sni: str = ""
    subnets: tuple[str, ...] = ()


class _Way(NamedTuple):
    branch: EdgeBranch
    connection: BoundConnection


def name_of(wanted: EdgeConnections, branch: EdgeBranch) -> str:
    """``tcp.443/a.test``: the name of a branch's chain, and of where its connections go, whichever server has them."""
    what = "/".join(filter(None, (branch.sni or "*", *branch.subnets)))
    return f"tcp.{wanted.port}{suffix(wanted.bind)}/{what}"


def guard_of(server: Server) -> Guard:
    """What stands before the content of a server's chains: its clients prove nothing to the mesh, or are of it."""
    return Guard(plaintext=server.tls is None or server.tls.mode is not EdgeTlsMode.ISTIO_MUTUAL)


def branches(read: Read, wanted: EdgeConnections) -> tuple[EdgeBranch, ...]:
    """What listeners must know of routes: which connections have chains of their own."""
    return tuple(way.branch for way in read.get(_ways, wanted))


def way(read: Read, wanted: EdgeConnections, branch: EdgeBranch) -> tuple[ConnectionSpec | OfferedProtocols, ...]:
    """Where the connections of a branch go, and what they offer."""
    # Whose routes are looked through is no author of this one.
    connection = read.aside(_of, wanted, branch)
    if connection is None:
        return ()
    sign(read, connection.authored)
    shares, routes = connection.destinations, _routes(read, wanted, branch, connection)
    name = name_of(wanted, branch)
    guard = guard_of(wanted.servers[branch.server].server)
    passed = ConnectionSpec(name, passed_to(read, shares, routes), guard)
    return (passed, OfferedProtocols(name, alpn_to(read, shares, routes)))


def resolved_port(read: Read, wanted: EdgeConnections, branch: EdgeBranch) -> int:
    """The port on which what the SNI names is called, where Envoy is to resolve it; 0 elsewhere."""
    connection = read.get(_of, wanted, branch)
    if connection is None:
        return 0
    return resolves_to(read, connection.destinations, _routes(read, wanted, branch, connection))


def _of(read: Read, wanted: EdgeConnections, branch: EdgeBranch) -> BoundConnection | None:
    return next((way.connection for way in read.get(_ways, wanted) if way.branch == branch), None)


def _routes(read: Read, wanted: EdgeConnections, branch: EdgeBranch, connection: BoundConnection) -> ConnectionRoutes:
    targets = tuple(read.get(target, host, wanted.scope) for host in named_by(connection.destinations))
    return ConnectionRoutes(branch.sni or "*", wanted.servers[branch.server].server.port, None, None, targets)


def connection_services(read: Read, wanted: EdgeConnections) -> tuple[ServiceKey, ...]:
    """The services that connections go to, sorted."""
    shares: list[WeightedDestination] = [share for _, way in read.get(_ways, wanted) for share in way.destinations]
    return known_services(read, named_by(shares), wanted.scope)


def _ways(read: Read, wanted: EdgeConnections) -> tuple[_Way, ...]:
    # Envoy refuses two chains of one match: the first has it.
    found: dict[tuple[str, tuple[str, ...]], _Way] = {}
    for index, at in enumerate(wanted.servers):
        for connection in connections(read, at):
            for sni in _names(at, connection):
                branch = EdgeBranch(index, sni, connection.match.destination_subnets)
                found.setdefault((sni, branch.subnets), _Way(branch, connection))
    return tuple(found.values())


def _names(at: At, connection: BoundConnection) -> Iterator[str]:
    named = connection.match.sni_hosts or (tuple(each.host for each in at.server.hosts) if at.server.tls else ("",))
    for name in dict.fromkeys(named):
        yield "" if name == "*" else name
