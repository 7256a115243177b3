"""Envoy bootstraps for proxies of the mesh: plain dictionaries, ready for JSON or YAML. Pure.

What is here is what cannot change while a proxy runs: who it is, where its control plane is, its own ports. Everything
else comes over ADS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xds.bootstrap.credentials import Json, Tls, WatchedToken
from xds.bootstrap.node import ProxyNode
from xds.bootstrap.probes import AppProbes
from xds.bootstrap.stats import NOTHING_MORE, StatsInclusion, stats
from xds.model.proxy import AUTO_REGISTER_GROUP, SIDECAR, WORKLOAD_SDS
from xds.model.standard_metrics import METRICS_LABELS, variable
from xds.model.told_metrics import PREFIX
from xds.view.names import CONTROL_PLANE, WORKLOAD_SOCKET
from xds.view.specs.observed import RUNTIME

ADMIN_PORT: Final = 15000
HEALTH_PORT: Final = 15021
METRICS_PORT: Final = 15090
LOG_FLUSH: Final = ("--file-flush-interval-msec", "1000")
"""The flags of Envoy by which access logs are written within a second; its own is ten."""

_TYPE: Final = "type.googleapis.com/"
# Envoy's own goes up to 30 s, and so long a proxy would be without news after its control plane is back.
_RECONNECT: Final = {"retry_back_off": {"base_interval": "0.5s", "max_interval": "5s"}}
# Only what was ever counted: a listener that nobody has used is no series. And not what the control plane is told.
_SHOWN: Final = f"usedonly&filter=%5E%5B%5E{PREFIX}%5D"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def proxy_environment(config: Json) -> dict[str, str]:
    """The environment of the Envoy that is started with this bootstrap: its spans are of its service, and its metrics
    have the labels of its workload.
    """
    node = config["node"]
    labels = node["metadata"][METRICS_LABELS]
    return {
        "OTEL_RESOURCE_ATTRIBUTES": f"service.name={node['cluster']}",
        **{variable(name): value for name, value in labels.items()},
    }


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where the control plane listens: ``host:port`` (IPv6: ``[::1]:15010``; a name is looked up) or ``unix:/path``.

    ``tls`` says how it is trusted; ``token`` is presented at each connect, beside the certificate in ``tls`` if any.
    """

    address: str
    tls: Tls | None = None
    token: WatchedToken | None = None

    def endpoint(self) -> Json:
        """The ``address`` block of its endpoint. ValueError when the address has no port."""
        if self.address.startswith("unix:"):
            return {"pipe": {"path": self.address.removeprefix("unix:")}}
        host, colon, port = self.address.rpartition(":")
        if not colon or not port.isdecimal():
            raise ValueError(f"{self.address!r} is no address: must be host:port or unix:/path")
        return _socket(host.strip("[]"), int(port))

    @property
    def by_name(self) -> bool:
        """Whether its host is a name that DNS must resolve."""
        host = self.address.rpartition(":")[0].strip("[]")
        return not self.address.startswith("unix:") and ":" not in host and not host.replace(".", "").isdecimal()


@dataclass(frozen=True, slots=True)
class OwnPorts:
    """The ports of Envoy itself; 0 leaves health or metrics out. ``address`` is what those two bind: ``::`` is both."""

    admin: int = ADMIN_PORT
    health: int = HEALTH_PORT
    metrics: int = METRICS_PORT
    admin_address: str = "127.0.0.1"
    address: str = "0.0.0.0"


def bootstrap(
    node: ProxyNode,
    control_plane: ControlPlane,
    ports: OwnPorts = OwnPorts(),
    *,
    workload_socket: Path | None = None,
    probes: AppProbes | None = None,
    more_stats: StatsInclusion = NOTHING_MORE,
) -> Json:
    """A whole bootstrap: node, ADS by delta, admin, health and metrics listeners, limits and stats tags.

    ``workload_socket`` is the unix socket of a SPIFFE workload API (SPIRE's agent): the proxy has a cluster
    ``sds-grpc`` for it, and says in its metadata (WORKLOAD_SDS) that its certificates come from there, not over ADS.
    ``probes`` are those of the application that Envoy answers in its stead; ``more_stats`` are statistics that it keeps
    beside those that each does.
    """
    listeners = []
    clusters = [xds_cluster(control_plane)]
    if workload_socket is not None:
        clusters.append(_workload_cluster(workload_socket))
        node = replace(node, metadata={**node.metadata, WORKLOAD_SDS: "socket"})
    if ports.health:
        listeners.append(_forwarder("health", (ports.address, ports.health), "/healthz/ready", "/ready"))
    if ports.metrics:
        metrics = "/stats/prometheus"
        listeners.append(_forwarder("metrics", (ports.address, ports.metrics), metrics, f"{metrics}?{_SHOWN}"))
    if probes is not None:
        listeners += probes.listeners(ports.address)
        clusters += probes.clusters()
    own = _assignment("admin", _socket(ports.admin_address, ports.admin))
    admin = {"name": "admin", "type": "STATIC", "connect_timeout": "1s", "load_assignment": own}
    return {
        "node": node.as_dict(),
        "admin": {"address": _socket(ports.admin_address, ports.admin), "ignore_global_conn_limit": True},
        "dynamic_resources": dynamic_resources(),
        **({"cluster_manager": {"load_stats_config": load_reports()}} if node.kind == SIDECAR else {}),
        **({"hds_config": load_reports()} if AUTO_REGISTER_GROUP in node.metadata else {}),
        "static_resources": {"listeners": listeners, "clusters": [*clusters, admin]},
        **stats(more_stats, node.reporting()),
        "overload_manager": _overload_manager(),
        "layered_runtime": {"layers": _runtime_layers()},
    }


def _runtime_layers() -> list[Json]:
    # Envoy's own limit for regular expressions is 100 instructions; ours is that of translators/regex.py.
    return [
        {"name": "regex", "static_layer": {"re2": {"max_program_size": {"error_level": 32768}}}},
        {"name": RUNTIME, "rtds_layer": {"name": RUNTIME, "rtds_config": _switches()}},
        {"name": "admin", "admin_layer": {}},
    ]


def dynamic_resources() -> Json:
    """Listeners and clusters by ADS, delta; the node (61 KB) goes out with the first request of a stream only."""
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE, "retry_policy": _RECONNECT}}],
        },
        "cds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"},
        "lds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"},
    }


def _switches() -> Json:
    """Where what is switched while a proxy runs comes from; one that knows nothing of it is not waited for."""
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "2s"}


def load_reports() -> Json:
    """Where a proxy offers to say what it uses; it does if the control plane asks it to."""
    return {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE}}],
    }


def xds_cluster(control_plane: ControlPlane) -> Json:
    """The cluster of the control plane: HTTP/2 with keepalive, so that a dead peer is noticed in about 40 s."""
    keepalive = {"interval": "30s", "timeout": "10s"}
    options: Json = {"explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}}}
    if control_plane.token is not None:
        options["http_filters"] = control_plane.token.http_filters()
    if control_plane.tls is not None and control_plane.tls.certificate_file is not None:
        # A certificate is shown when a connection is made: each stream has its own, so that it shows the latest.
        options["common_http_protocol_options"] = {"max_requests_per_connection": 1}
    cluster: Json = {
        "name": CONTROL_PLANE,
        "type": "STRICT_DNS" if control_plane.by_name else "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(CONTROL_PLANE, control_plane.endpoint()),
        "typed_extension_protocol_options": {_HTTP_OPTIONS: {"@type": _TYPE + _HTTP_OPTIONS, **options}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": priority,
                    "max_connections": 100000,
                    "max_pending_requests": 100000,
                    "max_requests": 100000,
                }
                for priority in ("DEFAULT", "HIGH")
            ]
        },
    }
    if not control_plane.address.startswith("unix:"):
        cluster["upstream_connection_options"] = {"tcp_keepalive": {"keepalive_time": 300}}
    if control_plane.tls is not None:
        cluster["transport_socket"] = control_plane.tls.transport_socket()
    return cluster


def _workload_cluster(socket: Path) -> Json:
    """The cluster of a workload API: SDS over gRPC on a unix socket."""
    options: Json = {"explicit_http_config": {"http2_protocol_options": {}}}
    return {
        "name": WORKLOAD_SOCKET,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(WORKLOAD_SOCKET, {"pipe": {"path": str(socket)}}),
        "typed_extension_protocol_options": {_HTTP_OPTIONS: {"@type": _TYPE + _HTTP_OPTIONS, **options}},
    }


def _socket(address: str, port: int) -> Json:
    both = {"ipv4_compat": True} if address == "::" else {}
    return {"socket_address": {"address": address, "port_value": port, **both}}


def _assignment(name: str, address: Json) -> Json:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}


def _forwarder(name: str, where: tuple[str, int], path: str, admin_path: str) -> Json:
    """A listener that passes exactly one path on to the admin interface, and nothing else of it."""
    route = {"match": {"path": path}, "route": {"cluster": "admin", "prefix_rewrite": admin_path}}
    hosts = [{"name": name, "domains": ["*"], "routes": [route]}]
    router = {"@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "generate_request_id": False,
        "route_config": {"name": name, "virtual_hosts": hosts},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": name,
        "address": _socket(*where),
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": filters}],
    }


def _overload_manager() -> Json:
    """A bound on connections, far above what a sidecar sees and below what would exhaust the file descriptors."""
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = _TYPE + "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "resource_monitors": [
            {"name": name, "typed_config": {"@type": kind, "max_active_downstream_connections": 50000}}
        ]
    }
