"""The settings of the whole mesh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, NamedTuple

from xds.model.identity import CLUSTER_LOCAL, TrustDomains
from xds.model.policy import NO_POLICIES, Policies
from xds.model.provider import ExternalAuthorizer
from xds.model.refs import ObjectRef
from xds.model.route import Destination
from xds.model.security import USUAL_TLS, Authorities, TlsBounds
from xds.model.snapshot import Snapshot, Table
from xds.model.telemetry_provider import NO_TELEMETRY, MeshTelemetry


class OutboundMode(Enum):
    """What happens to calls to places that the mesh does not know."""

    ALLOW_ANY = "ALLOW_ANY"
    REGISTRY_ONLY = "REGISTRY_ONLY"
    ALLOW_ANY_DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"  # as ALLOW_ANY, but to where the request's own host is


class InboundMode(Enum):
    """Where a sidecar hands connections to its application."""

    PASSTHROUGH = "PASSTHROUGH"  # at the address that the caller chose
    LOCALHOST = "LOCALHOST"  # at 127.0.0.1


class Beyond(NamedTuple):
    """What happens to calls to places that a caller does not know, and the service that they go through, if any."""

    mode: OutboundMode = OutboundMode.ALLOW_ANY
    proxy: Destination | None = None


ALLOWED: Final = Beyond()
"""What holds while nobody says otherwise: they are let through."""


class Paths(Enum):
    """How proxies make paths uniform before anything looks at them; each does what the one before it does, and more."""

    NONE = "NONE"
    BASE = "BASE"  # dots resolved, needless escapes removed
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


class Topology(NamedTuple):
    """What stands before the gateways (Istio's gatewayTopology).

    ``trusted_proxies`` is how many entries of X-Forwarded-For are believed, ``client_certificate`` what becomes of
    X-Forwarded-Client-Cert (Envoy's words), ``proxy_protocol`` whether connections begin with a PROXY protocol header.
    """

    trusted_proxies: int = 0
    client_certificate: str = "SANITIZE_SET"
    proxy_protocol: bool = False


NO_TOPOLOGY: Final = Topology()
"""What holds while MeshConfig says nothing of what stands before the gateways."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The settings of the whole mesh (Istio's MeshConfig); ``ref`` is None while nobody wrote one."""

    ref: ObjectRef | None = None
    root_namespace: str = "istio-system"
    trust: TrustDomains = CLUSTER_LOCAL
    paths: Paths = Paths.BASE
    auto_mtls: bool = True
    mesh_tls: TlsBounds = USUAL_TLS
    tls_defaults: TlsBounds = USUAL_TLS
    authorities: tuple[Authorities, ...] = ()
    authorizers: tuple[ExternalAuthorizer, ...] = ()
    domain: str = "cluster.local"
    cluster: str = "Kubernetes"  # what the own cluster is called
    cluster_local: tuple[tuple[str, bool], ...] = ()  # hosts and wildcards, and whether only own endpoints serve them
    beyond: Beyond = ALLOWED
    inbound_mode: InboundMode = InboundMode.PASSTHROUGH
    http_proxy_port: int = 0  # of an HTTP proxy on 127.0.0.1 in every sidecar; 0 is none
    connect_timeout: timedelta = timedelta(seconds=10)
    protocol_detection_timeout: timedelta = timedelta(0)
    dns_refresh_rate: timedelta = timedelta(seconds=60)
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)
    route_policies: Policies = NO_POLICIES
    cluster_policies: Policies = NO_POLICIES
    inbound_policies: Policies = NO_POLICIES
    unknown_host: Policies = NO_POLICIES  # of the route to hosts that the mesh does not know
    refusal: Policies = NO_POLICIES  # what answers them under REGISTRY_ONLY
    topology: Topology = NO_TOPOLOGY
    telemetry: MeshTelemetry = NO_TELEMETRY

    def authorizer(self, name: str) -> ExternalAuthorizer | None:
        """The external authorizer of that name (MeshConfig ``extensionProviders``), or None."""
        return next((each for each in self.authorizers if each.name == name), None)


def settings_of(snapshot: Snapshot) -> Mesh:
    """The settings of a mesh; there always are some, as decoders give defaults."""
    found: Mesh = snapshot.rows(Table.MESH, "")[0]
    return found
