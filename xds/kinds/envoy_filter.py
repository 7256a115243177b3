"""EnvoyFilter: changes to what Envoys are sent, in Envoy's own words, where nothing of the mesh's says it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import OptionalPortNumber, about
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadLabels

ApplyTo = Literal[
    "LISTENER",
    "FILTER_CHAIN",
    "NETWORK_FILTER",
    "HTTP_FILTER",
    "LISTENER_FILTER",
    "ROUTE_CONFIGURATION",
    "VIRTUAL_HOST",
    "HTTP_ROUTE",
    "CLUSTER",
    "EXTENSION_CONFIG",
    "BOOTSTRAP",
]
PatchContext = Literal["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"]
Operation = Literal[
    "MERGE",
    "ADD",
    "REMOVE",
    "INSERT_BEFORE",
    "INSERT_AFTER",
    "INSERT_FIRST",
    "REPLACE",
    "MERGE_AND_REPLACE_LIST",
]
RouteAction = Literal["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"]
Int32 = Annotated[int, Meta(ge=-2_147_483_648, le=2_147_483_647)]


class ProxyMatch(Strict, frozen=True, kw_only=True):
    """Which proxies a patch is for, beside the selector."""

    proxy_version: Annotated[str, about("Regular expression for the proxy's version: that of Envoy.")] = ""
    metadata: Annotated[
        dict[str, str],
        about("Node metadata that the proxy has: `NAMESPACE`, `NAME`, `SERVICE_ACCOUNT`."),
    ] = field(default_factory=dict)


class SubFilterMatch(Strict, frozen=True, kw_only=True):
    """A filter within a filter."""

    name: Annotated[str, about("Name of an HTTP filter.")] = ""


class FilterMatch(Strict, frozen=True, kw_only=True):
    """A network filter of a chain."""

    name: Annotated[str, about("Name of the filter.")] = ""
    sub_filter: Annotated[SubFilterMatch | None, about("The HTTP filter within it.")] = None


class FilterChainMatch(Strict, frozen=True, kw_only=True):
    """Filter chains of a listener; all that is said must hold."""

    name: Annotated[str, about("Name of the chain.")] = ""
    sni: Annotated[str, about("A server name that the chain matches.")] = ""
    transport_protocol: Annotated[str, about("`tls` or `raw_buffer`, as the chain matches it.")] = ""
    application_protocols: Annotated[str, about("Protocols (ALPN) with commas between, all of the chain's match.")] = ""
    destination_port: Annotated[OptionalPortNumber, about("Port that the chain matches.")] = 0
    filter: Annotated[FilterMatch | None, about("A filter of the chain.")] = None


class ListenerMatch(Strict, frozen=True, kw_only=True):
    """Listeners, and what is in them."""

    port_number: Annotated[
        OptionalPortNumber, about("Port of the listener; in `virtualInbound` that of the filter chain.")
    ] = 0
    port_name: Annotated[str, about("Not used, by Istio neither.")] = ""
    name: Annotated[str, about("Name of the listener.")] = ""
    listener_filter: Annotated[str, about("Name of a listener filter.")] = ""
    filter_chain: Annotated[FilterChainMatch | None, about("Filter chains of it.")] = None


class RouteMatch(Strict, frozen=True, kw_only=True):
    """Routes of a virtual host."""

    name: Annotated[str, about("Name of the route.")] = ""
    action: Annotated[RouteAction, about("What the route does.")] = "ANY"


class VirtualHostMatch(Strict, frozen=True, kw_only=True):
    """Virtual hosts of a route configuration."""

    name: Annotated[str, about("Name of the virtual host, `host:port`.")] = ""
    domain_name: Annotated[str, about("A domain of the virtual host.")] = ""
    route: Annotated[RouteMatch | None, about("Routes of it.")] = None


class RouteConfigurationMatch(Strict, frozen=True, kw_only=True):
    """Route configurations, and what is in them."""

    port_number: Annotated[OptionalPortNumber, about("Port that the routes are for.")] = 0
    port_name: Annotated[str, about("Name of the port of a gateway's server.")] = ""
    gateway: Annotated[str, about("`namespace/name` of a Gateway.")] = ""
    name: Annotated[str, about("Name of the route configuration.")] = ""
    vhost: Annotated[VirtualHostMatch | None, about("Virtual hosts of it.")] = None


class ClusterMatch(Strict, frozen=True, kw_only=True):
    """Clusters; all that is said must hold."""

    port_number: Annotated[OptionalPortNumber, about("Port of the service; of an inbound cluster that of the pod.")] = 0
    service: Annotated[str, about("Host name of the service, in full.")] = ""
    subset: Annotated[str, about("Name of the subset.")] = ""
    name: Annotated[str, about("Name of the cluster.")] = ""


class EnvoyConfigObjectMatch(Strict, frozen=True, kw_only=True):
    """Where a patch applies."""

    context: Annotated[PatchContext, about("What kind of traffic.")] = "ANY"
    proxy: Annotated[ProxyMatch | None, about("Which proxies.")] = None
    listener: Annotated[ListenerMatch | None, about("Which listeners, chains and filters.")] = None
    route_configuration: Annotated[RouteConfigurationMatch | None, about("Which route tables, hosts and routes.")] = (
        None
    )
    cluster: Annotated[ClusterMatch | None, about("Which clusters.")] = None


class Patch(Strict, frozen=True, kw_only=True):
    """What is done there."""

    operation: Annotated[Operation, about("What is done.")]
    value: Annotated[dict[str, Any], about("The message of Envoy's API, or a part of it, as JSON.")] = field(
        default_factory=dict
    )
    filter_class: Annotated[Literal["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"], about("Not used, by Istio neither.")] = (
        "UNSPECIFIED"
    )


class EnvoyConfigObjectPatch(Strict, frozen=True, kw_only=True):
    """One change."""

    apply_to: Annotated[ApplyTo, about("What is changed.")]
    match: Annotated[EnvoyConfigObjectMatch | None, about("Where; everywhere when absent.")] = None
    patch: Annotated[Patch, about("How.")]


class EnvoyFilterSpec(Strict, frozen=True, kw_only=True):
    """The changes, and whose proxies get them."""

    workload_selector: Annotated[
        WorkloadLabels | None, about("Workloads it is for; all of the namespace when absent.")
    ] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], about("Gateways it is for, instead.")] = ()
    config_patches: Annotated[tuple[EnvoyConfigObjectPatch, ...], about("The changes, in their order.")] = ()
    priority: Annotated[Int32, about("Lower comes first; then the root namespace's, then the oldest.")] = 0


class EnvoyFilter(Authored, frozen=True, kw_only=True):
    """Changes to what Envoys are sent, in Envoy's own words."""

    KIND: ClassVar[Kind] = Kind("networking.istio.io", "EnvoyFilter", ("v1alpha3",), "envoyfilters")

    spec: Annotated[EnvoyFilterSpec, about("The changes.")] = EnvoyFilterSpec()
