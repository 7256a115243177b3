"""The inbound listener of a sidecar: a few chains a declared port, so that who may come in is decided by the chain.

The chain of the mesh's own callers is the same whether others may come too (PERMISSIVE) or not (STRICT): turning one
into the other touches plaintext connections only. Source: istio-semantics 2.5.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from xds.model.gateway import EdgeTls
from xds.model.identity import Identity
from xds.model.security import Mtls, MtlsMode
from xds.model.service import Protocol
from xds.model.snapshot import Table
from xds.view import names
from xds.view.connection_chains import PLAIN_HTTP
from xds.view.graph import Read
from xds.view.inbound import InboundPort, Offer, expected_ports
from xds.view.listeners import tcp_chain
from xds.view.mutual_tls import mtls, server_tls
from xds.view.names import INBOUND_PORT, OUTBOUND_PORT
from xds.view.scope import mesh
from xds.view.sidecar_at import sidecar, sidecar_at
from xds.view.specs.listeners import (
    Chain,
    ChainMatch,
    EdgeSocket,
    Guard,
    HttpChain,
    ListenerSpec,
    ServerTls,
    Sniff,
    TcpChain,
)
from xds.view.specs.routes import WeightedCluster

MESH_HTTP: Final = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
MESH_TCP: Final = ("istio-peer-exchange", "istio")
PLAIN: Final = Guard(plaintext=True)
PROVEN: Final = Guard(plaintext=False)
# A server that speaks first sends nothing to sniff: its plaintext callers wait this long where MeshConfig has no limit.
_PATIENCE: Final = timedelta(seconds=5)


def virtual_inbound(read: Read, offer: Offer, ports: tuple[InboundPort, ...]) -> tuple[ListenerSpec, ...]:
    """The listener that takes all captured connections and passes them to the application."""
    ports = tuple(port for port in ports if not port.bind)
    takes = _taken(read, offer)
    tls = server_tls(read, offer.identity)
    chains = [
        tcp_chain(f"virtualInbound-blackhole-{port}", names.BLACK_HOLE, ChainMatch(destination_port=port))
        for port in (OUTBOUND_PORT, INBOUND_PORT)
    ]
    for port in ports:
        _authored(read, offer, port)  # whose port it is belongs to the listener's provenance
        chains += _Port(read, port, takes.at(port.number), tls).chains()
    declared = {port.number for port in ports}
    for number, mode in takes.ports:
        if number not in declared | names.TAKEN_PORTS and mode is not takes.mode:
            chains.append(_passthrough(f"virtualInbound-{number}", ChainMatch(number), mode, tls))
    # What the workload says it has is looked at before a service leads there: when one does, no other port drains.
    expected = {port for port in read.aside(expected_ports, offer) if takes.at(port) is not MtlsMode.DISABLE}
    sniffed = tuple(sorted({port.number for port in ports if _is_sniffed(port, takes)} | expected - declared))
    for_http = tuple(port.number for port in ports if port.protocol is Protocol.AUTO)
    first, *others = offer.families.anywhere
    return (
        ListenerSpec(
            name=names.VIRTUAL_INBOUND,
            address=first,
            additional_addresses=tuple(others),
            port=INBOUND_PORT,
            chains=tuple(chains),
            fallback=_passthrough("virtualInbound-catchall", ChainMatch(), takes.mode, tls),
            outbound=False,
            bind=True,
            original_destination=True,
            sniff=_sniff(sniffed, for_http),
            sniff_timeout=read.get(mesh).protocol_detection_timeout or _PATIENCE,
            sniffed_ports=sniffed,
            http_sniffed_ports=for_http,
        ),
    )


def bound_inbound(read: Read, offer: Offer, port: InboundPort) -> tuple[ListenerSpec, ...]:
    """The listener of a port that the proxy itself is connected to, as a Sidecar says (captureMode NONE)."""
    takes = _taken(read, offer)
    _authored(read, offer, port)
    for_tls = (port.number,) if _is_sniffed(port, takes) else ()
    first, *others = offer.families.bound(port.bind)
    return (
        ListenerSpec(
            name=names.address_listener(port.bind, port.number),
            address=first,
            additional_addresses=tuple(others),
            port=port.number,
            chains=tuple(_Port(read, port, takes.at(port.number), server_tls(read, offer.identity)).chains()),
            outbound=False,
            bind=True,
            sniff=_sniff(for_tls, (port.number,) if port.protocol is Protocol.AUTO else ()),
            sniff_timeout=read.get(mesh).protocol_detection_timeout or _PATIENCE,
        ),
    )


def _authored(read: Read, offer: Offer, port: InboundPort) -> None:
    """Look at who says that there is such a port, which makes them authors of what is made of it."""
    if port.service is not None:
        read.first(Table.SERVICE, port.service)
    sidecar(read, read.get(sidecar_at, offer.namespace, offer.labels))


def _taken(read: Read, offer: Offer) -> Mtls:
    stated = read.get(mtls, offer.namespace, offer.labels)
    if offer.identity is not Identity.NONE:
        return stated
    # A proxy that cannot prove who it is takes plaintext; what must not be plaintext, nobody gets.
    return Mtls(_without_identity(stated.mode), tuple((port, _without_identity(mode)) for port, mode in stated.ports))


def _without_identity(mode: MtlsMode) -> MtlsMode:
    return MtlsMode.DISABLE if mode is MtlsMode.PERMISSIVE else mode


def _is_sniffed(port: InboundPort, takes: Mtls) -> bool:
    return port.protocol is Protocol.AUTO or takes.at(port.number) is not MtlsMode.DISABLE


def _sniff(for_tls: tuple[int, ...], for_http: tuple[int, ...]) -> Sniff:
    if for_http:
        return Sniff.BOTH
    return Sniff.TLS if for_tls else Sniff.NOTHING


def _passthrough(name: str, match: ChainMatch, mode: MtlsMode, tls: ServerTls) -> Chain:
    cluster = names.INBOUND_PASSTHROUGH
    content = TcpChain(cluster, (WeightedCluster(cluster),))
    if mode is MtlsMode.STRICT:  # without a match on TLS: plaintext must fail here, and not find another chain
        return Chain(f"{name}-mtls", match, content, tls, PROVEN)
    return Chain(f"{name}-tcp", match, content, guard=PLAIN)


class _Port(NamedTuple):
    """A declared port whose chains are made."""

    read: Read
    port: InboundPort
    mode: MtlsMode
    tls: ServerTls

    def chains(self) -> list[Chain]:
        """The chains of the port.

        Envoy never goes back from a branch it has entered (transport protocol, then ALPN): each branch that a chain
        opens has a chain that takes the rest of it, or the connection would fall out of the port's chains.
        """
        if self.port.tls is not None and self.mode is not MtlsMode.STRICT:
            return [*self._of_mesh(), *self._of_own_tls(self.port.tls)]
        return [*self._of_mesh(), *self._of_other_tls(), *self._of_others()]

    def _of_mesh(self) -> list[Chain]:
        if self.mode is MtlsMode.DISABLE:
            return []
        if self._sniffed:
            return [self._proven("mtls-http", MESH_HTTP, self._http()), self._proven("mtls", MESH_TCP, self._tcp())]
        return [self._proven("mtls", (*MESH_TCP, *MESH_HTTP), self._declared())]

    def _of_own_tls(self, tls: EdgeTls) -> list[Chain]:
        """What is not of the mesh must speak the workload's own TLS: plaintext fails in the handshake."""
        socket = EdgeSocket(tls, http=self.port.protocol.is_http)
        here = ChainMatch(self.port.number)
        within = ChainMatch(self.port.number, transport="tls")
        return [
            Chain(f"{self._name}-own-tls", within, self._declared(), socket, PLAIN),
            Chain(f"{self._name}-own", here, self._declared(), socket, PLAIN),
        ]

    def _of_other_tls(self) -> list[Chain]:
        match = ChainMatch(self.port.number, transport="tls")
        if self.mode is MtlsMode.STRICT:
            return [Chain(f"{self._name}-strict-tls", match, self._declared(), self.tls, PROVEN)]
        if self.mode is MtlsMode.PERMISSIVE and self.port.protocol.is_http:
            return [tcp_chain(f"{self._name}-tls", names.BLACK_HOLE, match)]
        if self._sniffed or self.mode is MtlsMode.PERMISSIVE:
            return [Chain(f"{self._name}-tls", match, self._tcp(), guard=PLAIN)]
        return []

    def _of_others(self) -> list[Chain]:
        here = ChainMatch(destination_port=self.port.number)
        if self.mode is MtlsMode.STRICT:  # plaintext fails in the handshake
            return [Chain(f"{self._name}-strict", here, self._declared(), self.tls, PROVEN)]
        if not self._sniffed:
            return [Chain(self._name, here, self._declared(), guard=PLAIN)]
        http = ChainMatch(self.port.number, transport="raw_buffer", application_protocols=PLAIN_HTTP)
        rest = ChainMatch(self.port.number, transport="raw_buffer")
        return [
            Chain(f"{self._name}-http", http, self._http(), guard=PLAIN),
            Chain(f"{self._name}-tcp", rest, self._tcp(), guard=PLAIN),
        ]

    @property
    def _sniffed(self) -> bool:
        return self.port.protocol is Protocol.AUTO

    @property
    def _name(self) -> str:
        return names.wildcard_listener(self.port.number)

    def _declared(self) -> HttpChain | TcpChain:
        return self._http() if self.port.protocol.is_http else self._tcp()

    def _proven(self, suffix: str, alpn: tuple[str, ...], content: HttpChain | TcpChain) -> Chain:
        match = ChainMatch(self.port.number, transport="tls", application_protocols=alpn)
        return Chain(f"{self._name}-{suffix}", match, content, self.tls, PROVEN)

    def _http(self) -> HttpChain:
        table = names.inbound_routes(self.port.number)
        return HttpChain(f"inbound_{self._name};", table, outbound=False, paths=self.read.get(mesh).paths)

    def _tcp(self) -> TcpChain:
        cluster = names.INBOUND_PASSTHROUGH if self.port.passed else names.inbound_cluster(self.port.number)
        return TcpChain(cluster, (WeightedCluster(cluster),))
