"""The ports of a router: the servers of all its gateways, put together, and those that lose.

Source: istio-semantics 1.3, merge rules.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from xds.model.gateway import EdgeTlsMode, Server, ServerHost
from xds.model.refs import ObjectRef
from xds.view.gateway.bindings import servers
from xds.view.gateway.routers import Router
from xds.view.graph import Read
from xds.view.names import TAKEN_PORTS


class PortKind(Enum):
    """What servers of one port have in common."""

    HTTP = "plain HTTP"
    TLS = "TLS"
    TCP = "TCP"


class Placed(NamedTuple):
    """A server, and the gateway that it is of."""

    gateway: ObjectRef
    server: Server


class EdgePort(NamedTuple):
    """A port that a router listens on: ``number`` is the pod's, ``bind`` the address or empty for all."""

    bind: str
    number: int
    kind: PortKind
    servers: tuple[Placed, ...]


class Lost(NamedTuple):
    """A server, or some hosts of it, that another gateway's has already."""

    placed: Placed
    winner: ObjectRef
    hosts: tuple[str, ...] = ()
    kind: PortKind | None = None  # of the winner, where that is what they differ in


class Merged(NamedTuple):
    """The ports, sorted, and what has no place at them."""

    ports: tuple[EdgePort, ...]
    lost: tuple[Lost, ...]


def edge_ports(read: Read, router: Router) -> tuple[EdgePort, ...]:
    """The ports of a router."""
    return merged(read, router.gateways, router.ports).ports


def merged(read: Read, gateways: tuple[ObjectRef, ...], ports: tuple[tuple[int, int], ...]) -> Merged:
    """The servers of gateways, the oldest first, by port; ``ports`` is where the router's Services lead."""
    targets = dict(ports)
    merging: dict[tuple[str, int], _Port] = {}
    lost: list[Lost] = []
    for gateway in gateways:
        for server in servers(read, gateway):
            number = targets.get(server.port, server.port)
            if number in TAKEN_PORTS:
                continue
            port = merging.setdefault((server.bind, number), _Port(kind_of(server)))
            lost += port.take(Placed(gateway, server))
    found = (
        EdgePort(bind, number, port.kind, tuple(port.servers))
        for (bind, number), port in sorted(merging.items())
        if port.servers
    )
    return Merged(tuple(found), tuple(lost))


def kind_of(server: Server) -> PortKind:
    """What kind of port a server needs."""
    if server.tls is not None:
        return PortKind.TLS
    return PortKind.HTTP if server.protocol.is_http else PortKind.TCP


class _Port:
    """One port while servers are put on it."""

    def __init__(self, kind: PortKind) -> None:
        self.kind = kind
        self.servers: list[Placed] = []
        self._hosts: dict[str, ObjectRef] = {}

    def take(self, placed: Placed) -> list[Lost]:
        """Put a server on the port; answers what of it cannot be there."""
        if kind_of(placed.server) is not self.kind:
            return [Lost(placed, self.servers[0].gateway, kind=self.kind)]
        if self.kind is PortKind.TCP and self.servers:
            return [Lost(placed, self.servers[0].gateway, ("*",))]
        if self.kind is PortKind.HTTP or _by_routes(placed.server):
            self.servers.append(placed)
            return []
        taken = {each.host: self._hosts[each.host] for each in placed.server.hosts if each.host in self._hosts}
        left = tuple(each for each in placed.server.hosts if each.host not in taken)
        if left:
            self.servers.append(Placed(placed.gateway, replace(placed.server, hosts=left)))
        for host in left:
            self._hosts[host.host] = placed.gateway
        return [Lost(placed, next(iter(taken.values())), tuple(taken))] if taken else []


def _by_routes(server: Server) -> bool:
    # Who has a name is decided by the routes to it, not by the server.
    return server.tls is not None and server.tls.mode is EdgeTlsMode.PASSTHROUGH


def host_names(hosts: tuple[ServerHost, ...]) -> tuple[str, ...]:
    """The hosts, each once."""
    return tuple(dict.fromkeys(each.host for each in hosts))
