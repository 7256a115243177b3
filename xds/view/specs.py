"""The specs: one kind of value an xDS type. All decisions end here, all spelling begins here.

A spec is frozen and hashable, and everything that can reach its bytes is in it: it is the memo key of translation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from xds.model.endpoint import Endpoint, Locality
from xds.model.filters import FilterSlot
from xds.model.identity import CLUSTER_LOCAL, Identity, TrustDomains
from xds.model.mesh import Paths
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import RequestMatch
from xds.model.security import USUAL_TLS, TlsBounds


@dataclass(frozen=True, slots=True)
class LocalityGroup:
    """The endpoints of one locality; ``priority`` 0 is used first."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class EndpointGroup:
    """The endpoints of one cluster: a ClusterLoadAssignment."""

    name: str
    localities: tuple[LocalityGroup, ...]


class Discovery(Enum):
    """How Envoy finds a cluster's hosts (cluster.v3.Cluster.DiscoveryType)."""

    EDS = "eds"
    STATIC = "static"
    ORIGINAL_DST = "original-dst"
    STRICT_DNS = "strict-dns"
    LOGICAL_DNS = "logical-dns"


class UpstreamProtocol(Enum):
    """What is spoken to a cluster."""

    TCP = "tcp"
    HTTP1 = "http1"
    HTTP2 = "http2"
    DOWNSTREAM = "downstream"  # what the caller spoke


@dataclass(frozen=True, slots=True)
class MeshTls:
    """Mutual TLS to a cluster by the mesh's identities.

    ``names`` are the ids of which the server must prove one; with none, any of ``trust``. ``by_endpoint``: only to
    endpoints that take it, plaintext to the others.
    """

    source: Identity
    sni: str
    alpn: tuple[str, ...]
    names: tuple[str, ...] = ()
    trust: TrustDomains = CLUSTER_LOCAL
    bounds: TlsBounds = USUAL_TLS
    by_endpoint: bool = True


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Mutual TLS on a chain: the client must prove an id of one of the trust domains."""

    source: Identity
    trust: TrustDomains
    bounds: TlsBounds = USUAL_TLS


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """One cluster. ``authored`` is the DestinationRule behind it, if any; ``endpoints`` only where EDS is not used."""

    name: str
    discovery: Discovery
    protocol: UpstreamProtocol = UpstreamProtocol.TCP
    connect_timeout: timedelta = timedelta(seconds=10)
    endpoints: tuple[LocalityGroup, ...] = ()
    policies: Policies = NO_POLICIES
    source_address: str = ""
    port_override: int = 0
    dns_refresh_rate: timedelta = timedelta(seconds=60)
    authored: ObjectRef | None = None
    service: tuple[str, str, str] = ("", "", "")  # host, name, namespace, for telemetry
    mesh_tls: MeshTls | None = None


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """A cluster by name, its share, and the policies of that share alone."""

    cluster: str
    weight: int = 1
    policies: Policies = NO_POLICIES


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route; ``clusters`` is empty where a policy answers (redirect, direct response)."""

    name: str
    match: RequestMatch
    clusters: tuple[WeightedCluster, ...]
    policies: Policies = NO_POLICIES
    stat_prefix: str = ""
    authored: ObjectRef | None = None
    operation: str = ""


@dataclass(frozen=True, slots=True)
class VirtualHostSpec:
    """One virtual host of the route table ``table``; domains as Envoy matches them, ports left out."""

    table: str
    name: str
    domains: tuple[str, ...]
    routes: tuple[RouteSpec, ...]


@dataclass(frozen=True, slots=True)
class RouteTable:
    """One RouteConfiguration: virtual hosts inline, and whether others come one by one (VHDS).

    ``by_port`` is whether domains are told apart by port, too.
    """

    name: str
    virtual_hosts: tuple[VirtualHostSpec, ...] = ()
    vhds: bool = False
    by_port: bool = False


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
class HttpChain:
    """HTTP on a chain: routes by RDS under ``route_table``, or ``inline`` where they never change."""

    stat_prefix: str
    route_table: str = ""
    inline: RouteTable | None = None
    outbound: bool = True
    paths: Paths = Paths.BASE


@dataclass(frozen=True, slots=True)
class TcpChain:
    """Bytes on a chain, to one cluster or several by weight."""

    stat_prefix: str
    clusters: tuple[WeightedCluster, ...]
    policies: Policies = NO_POLICIES
    alpn: tuple[str, ...] = ()  # offered to the cluster instead of what the cluster says


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
    content: HttpChain | TcpChain
    tls: ServerTls | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """One listener. ``bind`` is False where connections are handed over by their original destination."""

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


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """What stands in one slot of a workload's HTTP (or TCP) chains: policies, already cut to that slot; maybe none."""

    slot: FilterSlot
    tcp: bool
    policies: Policies = NO_POLICIES
    trust: TrustDomains = CLUSTER_LOCAL

    @property
    def name(self) -> str:
        """The name of the filter and of its configuration."""
        return self.slot.resource(tcp=self.tcp)


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A certificate with its key, or authorities alone, that somebody gave by name. PEM."""

    name: str
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    authorities: bytes = b""
    revoked: bytes = b""


Spec = ListenerSpec | RouteTable | VirtualHostSpec | ClusterSpec | EndpointGroup | FilterSpec | SecretSpec
