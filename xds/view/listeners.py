"""The outbound listeners of a sidecar: frozen, so that only a port or a protocol ever changes a listener.

Outbound connections reach ``virtualOutbound`` by interception and are handed to the listener of their original address,
or to the one of their port on all addresses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from xds.model.endpoint import UNIX, Endpoint, EndpointKey
from xds.model.families import ANY, Families
from xds.model.policy import NO_POLICIES, Policies
from xds.model.service import Protocol, Resolution, Service, ServiceKey, ServicePort
from xds.model.snapshot import Table
from xds.view import names
from xds.view.connection_chains import Claim, told_apart, unknown_chain
from xds.view.connections import ConnectionRoutes, branches, resolved_on
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.names import OUTBOUND_PORT
from xds.view.scope import mesh
from xds.view.specs.listeners import Chain, ChainMatch, HttpChain, ListenerSpec, Sniff, TcpChain
from xds.view.specs.routes import WeightedCluster

ALL = ChainMatch()


def tcp_chain(name: str, cluster: str, match: ChainMatch = ALL, policies: Policies = NO_POLICIES) -> Chain:
    """A chain that passes all bytes on to one cluster."""
    return Chain(name, match, TcpChain(cluster, (WeightedCluster(cluster),), policies))


def virtual_outbound(_: Read, families: Families = Families.IPV4) -> tuple[ListenerSpec, ...]:
    """The listener that takes all outbound connections and passes on those that no other listener claims."""
    first, *others = families.anywhere
    return (
        ListenerSpec(
            name=names.VIRTUAL_OUTBOUND,
            address=first,
            additional_addresses=tuple(others),
            port=OUTBOUND_PORT,
            # A connection really meant for this port would be taken again and again.
            chains=(
                tcp_chain(
                    "virtualOutbound-blackhole",
                    names.BLACK_HOLE,
                    ChainMatch(destination_port=OUTBOUND_PORT),
                ),
            ),
            fallback=unknown_chain("virtualOutbound-catchall-tcp"),
            bind=True,
            original_destination=True,
        ),
    )


class PortClaims(NamedTuple):
    """What is said on one port of every address: whether HTTP, and whose other connections."""

    port: int
    http: bool
    connections: tuple[Claim, ...] = ()
    on_demand: bool = False
    families: Families = Families.IPV4


def wildcard_listener(read: Read, claims: PortClaims) -> tuple[ListenerSpec, ...]:
    """The listener of one port on all addresses: HTTP by route table, TLS without addresses by SNI, the rest passed."""
    port = claims.port
    for claim in claims.connections:
        if claim.service is not None:
            read.first(Table.SERVICE, claim.service)  # it is known already; who has it belongs to the provenance
    paths = read.get(mesh).paths
    http = HttpChain(
        f"outbound_{ANY}_{port}",
        names.port_routes(port),
        paths=paths,
        on_demand=claims.on_demand,
        frontends=True,
    )
    found = told_apart(port, claims.connections, http if claims.http else None)
    first, *others = claims.families.anywhere
    return (
        ListenerSpec(
            name=names.wildcard_listener(port),
            address=first,
            additional_addresses=tuple(others),
            port=port,
            chains=found.chains,
            fallback=found.rest,
            sniff=Sniff.BOTH if claims.http else Sniff.TLS,
            sniff_timeout=read.get(mesh).protocol_detection_timeout,
        ),
    )


class OwnAddress(NamedTuple):
    """An address that a service has; ``others`` are later ones that have it too, told apart by SNI."""

    address: str
    others: tuple[ConnectionRoutes, ...] = ()


def service_listener(
    read: Read, wanted: ConnectionRoutes, addresses: tuple[OwnAddress, ...]
) -> tuple[ListenerSpec, ...]:
    """The listeners of a service's own addresses (a headless one's: its endpoints') for a port that is not HTTP."""
    service: Service | None = read.first(Table.SERVICE, wanted.service) if wanted.service is not None else None
    port = service.port(wanted.port) if service is not None else None
    if service is None or port is None:
        return ()
    if service.resolution is not Resolution.HEADLESS:
        return tuple(_listener(read, wanted, port, (each.address, port.number), each.others) for each in addresses)
    behind = read.get(endpoints, EndpointKey(*service.key, port.number))
    # Networks may have the same addresses, and what only a gateway leads to has none.
    places = {
        (endpoint.address, endpoint.port)
        for endpoint in behind
        if endpoint.address and not endpoint.address.startswith(UNIX) and not _claimed(read, service, endpoint)
    }
    return tuple(_listener(read, wanted, port, place) for place in sorted(places))


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


def _resolved_on(read: Read, wanted: ConnectionRoutes) -> int:
    service: Service | None = read.first(Table.SERVICE, wanted.service) if wanted.service is not None else None
    return resolved_on(service, wanted.port)


def claims_of(read: Read, wanted: ConnectionRoutes) -> tuple[Claim, ...]:
    """All connections to a service's port, and those that its routes tell apart."""
    service: Service | None = read.first(Table.SERVICE, wanted.service) if wanted.service is not None else None
    port = service.port(wanted.port) if service is not None else None
    offers = port is not None and port.protocol is Protocol.AUTO
    claims = [Claim("", "", wanted.name, resolved_on(service, wanted.port), wanted.service, offers)]
    for branch in read.get(branches, wanted):
        name = names.branch(wanted.name, branch.subnet, branch.sni)
        claims.append(Claim(branch.subnet, branch.sni, name, branch.resolves, wanted.service, offers))
    return tuple(claims)


def _listener(
    read: Read,
    wanted: ConnectionRoutes,
    port: ServicePort,
    where: tuple[str, int],
    others: tuple[ConnectionRoutes, ...] = (),
) -> ListenerSpec:
    address, number = where
    sniffed = port.protocol is Protocol.AUTO
    claims = [*claims_of(read, wanted)]
    for each in others:
        _, *named = claims_of(read, each)
        # What its routes say of its name goes before.
        claims += [*named, Claim("", each.host, each.name, _resolved_on(read, each), each.service)]
    table = names.host_routes(wanted.host, port.number)
    http = HttpChain(f"outbound_{address}_{number}", table, paths=read.get(mesh).paths) if sniffed else None
    found = told_apart(number, tuple(claims), http)
    sniff = Sniff.BOTH if sniffed else Sniff.TLS if port.protocol.is_tls else Sniff.NOTHING
    return ListenerSpec(
        name=names.address_listener(address, number),
        address=address,
        port=number,
        chains=found.chains,
        fallback=found.rest,
        sniff=sniff,
        sniff_timeout=timedelta(0) if sniff is Sniff.NOTHING else read.get(mesh).protocol_detection_timeout,
    )
