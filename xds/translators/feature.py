"""What a feature is: a policy, the fields it reads, and the partial Envoy messages it adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from xds.model.filters import FilterSlot
from xds.model.identity import TrustDomains
from xds.model.policy import Policy
from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef
from xds.translators.phases import Phase

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
    from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
    from xds.api.envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
    from xds.api.envoy.config.route.v3.route_components_pb2 import Route, RouteAction, WeightedCluster
    from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
    from xds.api.envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import (
        HeaderMutation,
    )
    from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

P = TypeVar("P", bound=Policy)

# The structs that features read fields of. A carrier's own decoder knows nothing of the features.
HTTP_ROUTE = "VirtualService.spec.http[]"
HTTP_ROUTE_DESTINATION = "VirtualService.spec.http[].route[]"
TRAFFIC_POLICY = "DestinationRule.spec.trafficPolicy"  # the rule's, a subset's; and portLevelSettings[]
MESH_CONFIG = "MeshConfig"
SERVICE = "Service.metadata"  # of a Kubernetes Service: what labels and annotations say


@dataclass(frozen=True, slots=True)
class Reading:
    """What a decode function knows beside its struct: whose object it is, and where findings go."""

    namespace: str
    domain: str
    found: Problems

    def fqdn(self, host: str) -> str:
        """``host`` in full: a name without a dot is a service of the object's own namespace (Istio's short names).

        In lower case, as Envoy compares names.
        """
        host = host.lower()
        if "." in host or host == "*":
            return host
        return f"{host}.{self.namespace}.svc.{self.domain}"

    def error(self, at: FieldRef, code: str, message: str) -> None:
        """Note what makes the object unusable; its last good version stays in force."""
        self.found.add(at, code, message, Severity.ERROR)

    def warning(self, at: FieldRef, code: str, message: str) -> None:
        """Note what is probably not meant, or is not done here."""
        self.found.add(at, code, message, Severity.WARNING)


AUTHORIZATION_POLICY = "AuthorizationPolicy.spec"
SIDECAR = "Sidecar.spec"
SIDECAR_INGRESS = "Sidecar.spec.ingress[]"
REQUEST_AUTHENTICATION = "RequestAuthentication.spec"
RATE_LIMIT = "RateLimit.spec"

# A carrier's struct (of xds.kinds), where it stands, the reading -> the policy, or None when the fields are absent.
Decode = Callable[[Any, FieldRef, Reading], P | None]


@dataclass(frozen=True, slots=True)
class HttpFilter:
    """A filter that stands in every HTTP chain, inert until a route's ``typed_per_filter_config`` speaks to it."""

    phase: Phase
    name: str
    config: Callable[[], Message]


@dataclass(frozen=True, slots=True)
class SlotFilter(Generic[P]):
    """What a feature puts into one slot of inbound chains.

    ``config`` takes the policy (``Filtering.in_slot`` has cut it to the slot), whether the chain is TCP, and the trust
    domains that count as the mesh's; it answers the message of the Envoy filter.
    """

    slot: FilterSlot
    config: Callable[[P, bool, TrustDomains], Message]


@dataclass(frozen=True, slots=True)
class Feature(Generic[P]):
    """One behaviour. Each fragment function returns a message in which only this feature's fields are set.

    ``reads`` lists the fields as users know them (``VirtualService.spec.http[].retries``); ``decode`` has, for each
    carrier above that holds some of them, the function that reads them. ``route`` must not set Route.route: that is
    what ``route_action`` is for, called only where requests are forwarded.
    ``cluster_default`` is the policy of clusters that have none of this type. ``http2_protocol_options`` is asked where
    a cluster may speak HTTP/2. ``transport_socket`` puts another socket around a cluster's own. ``slots`` are filters
    of the workload's own proxy whose content changes without its listener (xds.model.filters). ``early_headers`` are
    edits of callers' requests before anything looks at them, the same for all.
    """

    policy: type[P]
    reads: tuple[str, ...] = ()
    decode: Mapping[str, Decode[P]] = field(default_factory=dict)
    route: Callable[[P], Route] | None = None
    route_action: Callable[[P], RouteAction] | None = None
    weighted_cluster: Callable[[P], WeightedCluster.ClusterWeight] | None = None
    cluster: Callable[[P], Cluster] | None = None
    cluster_default: P | None = None
    http_protocol_options: Callable[[P], HttpProtocolOptions] | None = None
    http2_protocol_options: Callable[[P], Http2ProtocolOptions] | None = None
    transport_socket: Callable[[P, TransportSocket], TransportSocket] | None = None
    tcp_proxy: Callable[[P], TcpProxy] | None = None
    http_filter: HttpFilter | None = None
    early_headers: Callable[[], HeaderMutation] | None = None
    slots: tuple[SlotFilter[P], ...] = ()
