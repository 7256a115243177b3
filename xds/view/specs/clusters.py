"""What clusters and their endpoints are, before it is spelled: CDS and EDS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from xds.model.endpoint import Endpoint, Locality
from xds.model.families import Families
from xds.model.identity import CLUSTER_LOCAL, Identity, TrustDomains
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
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
    DYNAMIC_DNS = "dynamic-dns"  # the name in each request, or of each TLS connection


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
class ClusterSpec:
    """One cluster. ``authored`` is the DestinationRule behind it, if any; ``endpoints`` only where EDS is not used."""

    name: str
    discovery: Discovery
    protocol: UpstreamProtocol = UpstreamProtocol.TCP
    connect_timeout: timedelta = timedelta(seconds=10)
    endpoints: tuple[LocalityGroup, ...] = ()
    policies: Policies = NO_POLICIES
    source_addresses: tuple[str, ...] = ()  # at most one a family
    port_override: int = 0
    dns_refresh_rate: timedelta = timedelta(seconds=60)
    authored: ObjectRef | None = None
    service: tuple[str, str, str] = ("", "", "")  # host, name, namespace, for telemetry
    mesh_tls: MeshTls | None = None
    families: Families = Families.IPV4  # of the addresses that names are resolved to
