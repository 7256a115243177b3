"""What listeners and their chains are, before it is spelled: LDS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from xds.model.gateway import EdgeTls
from xds.model.identity import Identity, TrustDomains
from xds.model.mesh import Paths
from xds.model.policy import NO_POLICIES, Policies
from xds.model.security import USUAL_TLS, TlsBounds
from xds.view.specs.observed import UNSTATED, Observed
from xds.view.specs.routes import WeightedCluster


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Mutual TLS on a chain: the client must prove an id of one of the trust domains."""

    source: Identity
    trust: TrustDomains
    bounds: TlsBounds = USUAL_TLS


@dataclass(frozen=True, slots=True)
class EdgeSocket:
    """TLS that a gateway ends: as ``tls`` says, with the secrets of these names.

    ``authorities`` is empty where files hold them, or nobody is asked who he is. ``http`` is whether HTTP is spoken
    within.
    """

    tls: EdgeTls
    certificates: tuple[str, ...] = ()
    authorities: str = ""
    http: bool = True


class Sniff(Enum):
    """What a listener finds out before it chooses a chain."""

    NOTHING = "nothing"
    HTTP = "http"  # plaintext HTTP or not (http_inspector)
    TLS = "tls"  # TLS, its SNI and ALPN (tls_inspector)
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ChainMatch:
    """Which connections a chain takes; ``application_protocols`` are ALPN values or what http_inspector detected."""

    destination_port: int = 0
    server_names: tuple[str, ...] = ()
    transport: str = ""
    application_protocols: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """HTTP with clients that nobody vouches for: what is believed of what they say (see ``Topology``)."""

    trusted_proxies: int = 0
    client_certificate: str = "SANITIZE_SET"


@dataclass(frozen=True, slots=True)
class HttpChain:
    """HTTP on a chain, whose routes come by RDS under ``route_table``.

    ``edge`` is set where a gateway serves clients; ``on_demand`` is whether hosts that the table has not are asked for.
    ``frontends`` is whether the table may let the address that was dialled count.
    """

    stat_prefix: str
    route_table: str
    outbound: bool = True
    paths: Paths = Paths.BASE
    edge: Edge | None = None
    on_demand: bool = False
    frontends: bool = False


@dataclass(frozen=True, slots=True)
class TcpChain:
    """Bytes on a chain, to one cluster or several by weight."""

    stat_prefix: str
    clusters: tuple[WeightedCluster, ...]
    policies: Policies = NO_POLICIES
    alpn: tuple[str, ...] = ()  # offered to the cluster instead of what the cluster says


@dataclass(frozen=True, slots=True)
class FoundChain:
    """Bytes on a chain, whose way is the ``ConnectionSpec`` of that name (ECDS): no edit of it drains the chain.

    ``offers`` is whether what is offered to the server is a spec of its own, too (``OfferedProtocols``); ``resolves``
    the port on which the host named by the SNI is called, after Envoy has resolved it, or 0.
    """

    name: str
    offers: bool = False
    resolves: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands before the content of an inbound chain: the slots of policies, and the record of refusals.

    ``plaintext`` is whether callers on this chain prove nothing, and are counted by their address.
    """

    plaintext: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """One filter chain. Its name is stable: Envoy drains a chain that is only renamed."""

    name: str
    match: ChainMatch
    content: HttpChain | TcpChain | FoundChain
    tls: ServerTls | EdgeSocket | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """One listener. ``bind`` is False where connections are handed over by their original destination.

    ``proxy_protocol`` is whether connections begin with such a header; ``quic`` whether it takes HTTP/3, over UDP.
    ``observed`` is what is told of its traffic.
    """

    name: str
    address: str
    port: int
    chains: tuple[Chain, ...]
    fallback: Chain | None = None
    outbound: bool = True
    bind: bool = False
    original_destination: bool = False
    sniff: Sniff = Sniff.NOTHING
    sniff_timeout: timedelta = timedelta(0)
    sniffed_ports: tuple[int, ...] = ()  # none: all; elsewhere a server that speaks first would wait for ever
    http_sniffed_ports: tuple[int, ...] = ()  # the same for HTTP, where both are sniffed
    additional_addresses: tuple[str, ...] = ()
    proxy_protocol: bool = False
    quic: bool = False
    observed: Observed = UNSTATED
