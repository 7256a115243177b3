"""The listeners of a router, one a port: structure only; routes, certificates and destinations come apart from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from xds.model.families import ANY
from xds.model.gateway import EdgeTlsMode
from xds.model.identity import Identity
from xds.model.service import Protocol
from xds.view.gateway.bindings import At
from xds.view.gateway.connections import (
    EdgeBranch,
    EdgeConnections,
    branches,
    guard_of,
    name_of,
    resolved_port,
)
from xds.view.gateway.credentials import Held, held, socket
from xds.view.gateway.edge_ports import EdgePort, Placed, PortKind, host_names
from xds.view.gateway.routers import Router
from xds.view.gateway.server_names import server_name, suffix
from xds.view.gateway.sni_dnat import dnat_chains
from xds.view.gateway.tables import EdgeTable, sign
from xds.view.graph import Read
from xds.view.mutual_tls import server_tls
from xds.view.names import BLACK_HOLE
from xds.view.scope import mesh
from xds.view.specs.listeners import (
    Chain,
    ChainMatch,
    Edge,
    EdgeSocket,
    FoundChain,
    Guard,
    HttpChain,
    ListenerSpec,
    ServerTls,
    Sniff,
    TcpChain,
)
from xds.view.specs.routes import WeightedCluster

# How long a client may take to say which server it wants: a slow one costs a connection, and no more.
_PATIENCE: Final = timedelta(seconds=15)
_PLAIN: Final = Guard(plaintext=True)
# Envoy replaces a listener that keeps none but its default chain, and cuts what is on that. This chain is never taken.
_NOBODY: Final = Chain("nobody", ChainMatch(destination_port=1), TcpChain("nobody", (WeightedCluster(BLACK_HOLE),)))


def edge_tables(read: Read, router: Router, port: EdgePort) -> tuple[EdgeTable, ...]:
    """The route tables of a port: one for plain HTTP, one for each server that ends TLS around HTTP."""
    if port.kind is PortKind.HTTP:
        ats = tuple(_at(router, placed) for placed in port.servers)
        return (EdgeTable(f"http.{port.number}{suffix(port.bind)}", port.servers[0].server.port, ats, router.scope),)
    found = []
    for placed in port.servers:
        if _ends_tls(placed) and _speaks_http(placed):
            http3 = placed.server.port if _has_http3(read, router, placed) else 0
            name = server_name(port, placed)
            found.append(EdgeTable(name, placed.server.port, (_at(router, placed),), router.scope, http3))
    return tuple(found)


def edge_connections(router: Router, port: EdgePort) -> EdgeConnections:
    """The servers of a port whose connections are passed on."""
    passing = tuple(_at(router, placed) for placed in port.servers if _passes(port.kind, placed))
    return EdgeConnections(port.number, passing, router.scope, port.bind)


def has_dnat(port: EdgePort) -> bool:
    """Whether a port takes the mesh's own connections for any service, told apart by SNI."""
    return any(_mode(placed) is EdgeTlsMode.AUTO_PASSTHROUGH for placed in port.servers)


def _at(router: Router, placed: Placed) -> At:
    return At(placed.gateway, placed.server, router.scope.namespace, router.scope.labels)


def _mode(placed: Placed) -> EdgeTlsMode | None:
    return placed.server.tls.mode if placed.server.tls is not None else None


def _ends_tls(placed: Placed) -> bool:
    return _mode(placed) not in (None, EdgeTlsMode.PASSTHROUGH, EdgeTlsMode.AUTO_PASSTHROUGH)


def _speaks_http(placed: Placed) -> bool:
    return placed.server.protocol is Protocol.HTTPS


def _passes(kind: PortKind, placed: Placed) -> bool:
    if kind is PortKind.HTTP or _mode(placed) is EdgeTlsMode.AUTO_PASSTHROUGH:
        return False
    return not (_ends_tls(placed) and _speaks_http(placed))


def _has_http3(read: Read, router: Router, placed: Placed) -> bool:
    if placed.server.port not in router.udp or _mode(placed) is not EdgeTlsMode.SIMPLE:
        return False
    return read.get(held, placed.server.tls, router).certificate if placed.server.tls is not None else False


def edge_listeners(read: Read, router: Router, port: EdgePort) -> tuple[ListenerSpec, ...]:
    """The listeners of a port: one for TCP and, where a server has HTTP/3, one for UDP."""
    for placed in port.servers:
        sign(read, placed.gateway)
    made = _Made(read, router, port)
    chains = _taken(tuple(made.chains()))
    tables = {table.name for table in edge_tables(read, router, port) if table.http3_port}
    over_quic = tuple(chain for chain in chains if getattr(chain.content, "route_table", None) in tables)
    specs = [made.listener(chains)] if chains else []
    if over_quic:
        specs.append(made.listener(over_quic, quic=True))
    return tuple(specs)


def _taken(placed: tuple[tuple[int, Chain], ...]) -> tuple[Chain, ...]:
    """The chains by the places of their servers; Envoy refuses two of one match: the oldest gateway's has it."""
    first: dict[ChainMatch, tuple[int, int]] = {}
    for number, (place, chain) in enumerate(placed):
        first[chain.match] = min(first.get(chain.match, (place, number)), (place, number))
    return tuple(chain for number, (place, chain) in enumerate(placed) if first[chain.match] == (place, number))


@dataclass(frozen=True, slots=True)
class _Made:
    """The listeners of one port while they are made."""

    read: Read
    router: Router
    port: EdgePort

    def listener(self, chains: tuple[Chain, ...], *, quic: bool = False) -> ListenerSpec:
        """A listener with these chains; one that asks for nothing is the last resort of all connections."""
        port = self.port
        first, *others = (port.bind,) if port.bind else self.router.addresses
        rest = next((chain for chain in chains if chain.match == ChainMatch()), None)
        narrow = tuple(chain for chain in chains if chain.match != ChainMatch())
        if rest is not None and port.kind is not PortKind.HTTP:
            narrow = (*narrow, replace(rest, name=_NOBODY.name, match=_NOBODY.match) if quic else _NOBODY)
        name = f"{port.bind or ANY}_{port.number}"
        return ListenerSpec(
            name=f"udp_{name}" if quic else name,
            address=first,
            port=port.number,
            chains=narrow,
            fallback=rest,
            bind=True,
            sniff=Sniff.NOTHING if quic or port.kind is not PortKind.TLS else Sniff.TLS,
            sniff_timeout=_PATIENCE,
            additional_addresses=tuple(others),
            proxy_protocol=self.read.get(mesh).topology.proxy_protocol and not quic,
            quic=quic,
        )

    def chains(self) -> Iterator[tuple[int, Chain]]:
        """The chains of the port, each with the place of the server that it is of."""
        if self.port.kind is PortKind.HTTP:
            table = edge_tables(self.read, self.router, self.port)[0]
            yield 0, Chain(table.name, ChainMatch(), self._http(table.name), guard=_PLAIN)
            return
        servers = self.port.servers
        for place, placed in enumerate(servers):
            if _ends_tls(placed) and _speaks_http(placed):
                yield from ((place, each) for each in self._ended(placed, self._http(server_name(self.port, placed))))
        passing = edge_connections(self.router, self.port)
        places = [place for place, placed in enumerate(servers) if _passes(self.port.kind, placed)]
        for branch in self.read.get(branches, passing):
            yield from ((places[branch.server], each) for each in self._passed(passing, branch))
        if has_dnat(self.port):
            yield from ((len(servers), each) for each in dnat_chains(self.read, self.router, self.port))

    def _http(self, table: str) -> HttpChain:
        settings = self.read.get(mesh)
        edge = Edge(settings.topology.trusted_proxies, settings.topology.client_certificate)
        return HttpChain(f"outbound_{ANY}_{self.port.number}", table, paths=settings.paths, edge=edge)

    def _ended(self, placed: Placed, content: HttpChain) -> Iterator[Chain]:
        tls = self._socket(placed, http=True)
        # A chain each, so that one comes or goes without the others.
        for host in host_names(placed.server.hosts) if tls is not None else ():
            match = ChainMatch(server_names=(host,) if host != "*" else ())
            yield Chain(f"{content.route_table}/{host}", match, content, tls, guard_of(placed.server))

    def _passed(self, passing: EdgeConnections, branch: EdgeBranch) -> Iterator[Chain]:
        at = passing.servers[branch.server]
        placed = Placed(at.gateway, at.server)
        names = (branch.sni,) if branch.sni else ()
        match = ChainMatch(server_names=names, prefixes=branch.subnets)
        name = name_of(passing, branch)
        tls = self._socket(placed, http=False) if _ends_tls(placed) else None
        resolves = 0 if tls is not None else self.read.get(resolved_port, passing, branch)
        if tls is not None or not _ends_tls(placed):
            yield Chain(name, match, FoundChain(name, offers=True, resolves=resolves), tls, guard_of(placed.server))

    def _socket(self, placed: Placed, *, http: bool) -> EdgeSocket | ServerTls | None:
        """The TLS of a server; None where it has no certificate to show, or nothing to prove its clients by."""
        tls = placed.server.tls
        identity = self.router.scope.identity
        if tls is None:
            return None
        if tls.mode is EdgeTlsMode.ISTIO_MUTUAL:
            return server_tls(self.read, identity) if identity is not Identity.NONE else None
        has: Held = self.read.get(held, tls, self.router)
        return socket(tls, has, server_name(self.port, placed), http=http)
