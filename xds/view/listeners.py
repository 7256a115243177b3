"""The outbound listeners of a sidecar: frozen, so that only a port or a protocol ever changes a listener.

Outbound connections reach ``virtualOutbound`` by interception and are handed to the listener of their original address,
or to the one of their port on all addresses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from xds.model.endpoint import Endpoint, EndpointKey
from xds.model.mesh import OutboundMode
from xds.model.policy import NO_POLICIES, Policies
from xds.model.service import Protocol, Resolution, Service, ServiceKey, ServicePort
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, at_caller
from xds.view.auto_mtls import TCP_ALPN, by_mesh
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.names import OUTBOUND_PORT
from xds.view.scope import mesh
from xds.view.specs import (
    Chain,
    ChainMatch,
    HttpChain,
    ListenerSpec,
    Sniff,
    TcpChain,
    WeightedCluster,
)

ANY = "0.0.0.0"

ALL = ChainMatch()
PLAIN_HTTP = ("http/1.1", "h2c")


def tcp_chain(name: str, cluster: str, match: ChainMatch = ALL, policies: Policies = NO_POLICIES) -> Chain:
    """A chain that passes all bytes on to one cluster."""
    return Chain(name, match, TcpChain(cluster, (WeightedCluster(cluster),), policies))


def _unknown(read: Read, name: str) -> Chain:
    registry_only = read.get(mesh).outbound_mode is OutboundMode.REGISTRY_ONLY
    return tcp_chain(name, names.BLACK_HOLE if registry_only else names.PASSTHROUGH)


def virtual_outbound(read: Read) -> tuple[ListenerSpec, ...]:
    """The listener that takes all outbound connections and passes on those that no other listener claims."""
    return (
        ListenerSpec(
            name=names.VIRTUAL_OUTBOUND,
            address=ANY,
            port=OUTBOUND_PORT,
            # A connection really meant for this port would be taken again and again.
            chains=(
                tcp_chain(
                    "virtualOutbound-blackhole",
                    names.BLACK_HOLE,
                    ChainMatch(destination_port=OUTBOUND_PORT),
                ),
            ),
            fallback=_unknown(read, "virtualOutbound-catchall-tcp"),
            bind=True,
            original_destination=True,
        ),
    )


class PortClaims(NamedTuple):
    """What is said on one port of every address: whether HTTP, whose SNI, whose subnets, whose other bytes."""

    port: int
    http: bool
    by_sni: tuple[ServiceKey, ...] = ()
    by_subnet: tuple[tuple[str, str, ServiceKey], ...] = ()  # the subnet, the SNI or "", who has it
    tcp: ServiceKey | None = None


def wildcard_listener(read: Read, claims: PortClaims) -> tuple[ListenerSpec, ...]:
    """The listener of one port on all addresses: HTTP by route table, TLS without addresses by SNI, the rest passed."""
    port = claims.port
    for key in (*claims.by_sni, *(key for *_, key in claims.by_subnet), *((claims.tcp,) if claims.tcp else ())):
        read.first(Table.SERVICE, key)  # the names are known already; who has them belongs to the provenance
    chains = [_sni_chain(key, port) for key in claims.by_sni]
    for subnet, sni, key in claims.by_subnet:
        cluster = names.outbound_cluster(port, "", key.hostname)
        if sni:
            match = ChainMatch(transport="tls", server_names=(sni,), prefixes=(subnet,))
            chains.append(tcp_chain(f"sni-{sni}-subnet-{subnet}-{port}", cluster, match))
        else:
            chains.append(tcp_chain(f"subnet-{subnet}-{port}", cluster, ChainMatch(prefixes=(subnet,))))
    if claims.http:
        match = ChainMatch(transport="raw_buffer", application_protocols=PLAIN_HTTP)
        content = HttpChain(f"outbound_{ANY}_{port}", names.port_routes(port), paths=read.get(mesh).paths)
        chains.append(Chain(f"http-{port}", match, content))
    fallback = _unknown(read, "PassthroughFilterChain")
    if claims.tcp is not None:
        fallback = tcp_chain(f"tcp-{port}", names.outbound_cluster(port, "", claims.tcp.hostname))
    return (
        ListenerSpec(
            name=names.wildcard_listener(port),
            address=ANY,
            port=port,
            chains=tuple(chains),
            fallback=fallback,
            sniff=Sniff.BOTH if claims.http else Sniff.TLS,
            sniff_timeout=read.get(mesh).protocol_detection_timeout,
        ),
    )


def _sni_chain(key: ServiceKey, port: int) -> Chain:
    match = ChainMatch(transport="tls", server_names=(key.hostname,))
    return tcp_chain(
        f"sni-{key.hostname}-{port}",
        names.outbound_cluster(port, "", key.hostname),
        match,
    )


def service_listener(read: Read, key: ServiceKey, number: int, at: RuleAt | None) -> tuple[ListenerSpec, ...]:
    """The listeners of a service's own addresses (a headless one's: its endpoints') for a port that is not HTTP."""
    service: Service | None = read.first(Table.SERVICE, key)
    port = service.port(number) if service is not None else None
    if service is None or port is None:
        return ()
    if service.resolution is Resolution.HEADLESS:
        behind = read.get(endpoints, EndpointKey(*key, number))
        addresses = [(endpoint.address, endpoint.port) for endpoint in behind if not _claimed(read, service, endpoint)]
    else:
        single = (address for address in service.addresses if "/" not in address)
        addresses = [(address, number) for address in single if _owns(read, service, address, number)]
    policies = Policies(at_caller(read, at, "", number))
    alpn = TCP_ALPN if read.get(by_mesh, at, number) else ()
    contents = Contents(service.hostname, port, policies, alpn)
    return tuple(_address_listener(read, contents, address) for address in sorted(addresses))


def _owns(read: Read, service: Service, address: str, number: int) -> bool:
    # Envoy refuses a second listener on an address and port: the oldest service has it.
    rivals: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, address)
    first = next((rival for rival in rivals if rival.port(number) is not None), service)
    return first.key == service.key


def _claimed(read: Read, service: Service, endpoint: Endpoint) -> bool:
    rivals: tuple[Service, ...] = read.rows(Table.SELECTING, service.namespace)
    for rival in rivals:
        if rival.key == service.key:
            return False
        if rival.resolution is Resolution.HEADLESS and rival.selector <= endpoint.labels:
            where = (endpoint.address, endpoint.port)
            if any(where in read.get(listened, EndpointKey(*rival.key, port.number)) for port in rival.ports):
                return True
    return False


def listened(read: Read, key: EndpointKey) -> frozenset[tuple[str, int]]:
    """The addresses and ports at which a headless service's port listens for its own; none where it is HTTP."""
    service: Service | None = read.first(Table.SERVICE, ServiceKey(key.hostname, key.namespace))
    port = service.port(key.port) if service is not None else None
    if port is None or port.protocol.is_http:
        return frozenset()
    return frozenset((endpoint.address, endpoint.port) for endpoint in read.get(endpoints, key))


class Contents(NamedTuple):
    """What the listeners of a service's port lead to, and how; ``alpn`` is what is offered where it is not HTTP."""

    hostname: str
    port: ServicePort
    policies: Policies
    alpn: tuple[str, ...]


def _address_listener(read: Read, contents: Contents, where: tuple[str, int]) -> ListenerSpec:
    address, number = where
    hostname, port, policies, alpn = contents
    cluster = names.outbound_cluster(port.number, "", hostname)
    chains: tuple[Chain, ...] = ()
    if port.protocol is Protocol.AUTO:
        table = names.host_routes(hostname, port.number)
        content = HttpChain(f"outbound_{address}_{number}", table, paths=read.get(mesh).paths)
        sniffed = ChainMatch(transport="raw_buffer", application_protocols=PLAIN_HTTP)
        chains = (Chain(f"http-{number}", sniffed, content),)
    # The cluster of a sniffed port says HTTP to its servers: what is none must say so.
    passed = TcpChain(cluster, (WeightedCluster(cluster),), policies, alpn if chains else ())
    return ListenerSpec(
        name=names.address_listener(address, number),
        address=address,
        port=number,
        chains=chains,
        fallback=Chain(f"tcp-{number}", ALL, passed),
        sniff=Sniff.BOTH if chains else Sniff.NOTHING,
        sniff_timeout=read.get(mesh).protocol_detection_timeout if chains else timedelta(0),
    )
