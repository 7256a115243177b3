"""How Envoy answers the kubelet's probes of the application, in its bootstrap. Pure.

A kubelet speaks plaintext, which STRICT refuses, and there is no agent beside Envoy: so Envoy asks the application, at
the pod's address from 127.0.0.6, which the rules of interception leave alone. Only what a probe asks is passed on: one
method and one path, byte for byte, so that this is no way around the mesh's policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

Json = dict[str, Any]

PROBE_PORT: Final = 15020
_TYPE: Final = "type.googleapis.com/"
_FILTERS: Final = "envoy.extensions.filters"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS: Final = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_GRPC_CHECK: Final = "/grpc.health.v1.Health/Check"
# How often a port is tried that does not accept, and at most while it does.
_CLOSED_S: Final = 1
_OPEN_S: Final = 5


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """GET ``path`` on ``PROBE_PORT`` is answered by the application: GET ``target`` on ``port``.

    ``host`` is the Host header that it is sent, and the server name in TLS; empty: its address. ``timeout`` 0: none.
    """

    path: str
    port: int
    target: str
    https: bool = False
    host: str = ""
    timeout: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """GET ``path`` on ``PROBE_PORT`` is answered with 200 while ``port`` accepts connections, else 503."""

    path: str
    port: int
    period: timedelta
    timeout: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """gRPC's health service at ``own_port`` is the application's at ``port``; no other method of it is passed on."""

    own_port: int
    port: int
    timeout: timedelta = timedelta(seconds=1)


Probe = HttpProbe | TcpProbe | GrpcProbe


@dataclass(frozen=True, slots=True)
class AppProbes:
    """The probes of a pod whose address is ``address``, and ``host`` as in URLs: brackets around IPv6."""

    probes: tuple[Probe, ...]
    address: str
    host: str = ""

    def listeners(self, bind: str) -> list[Json]:
        """The listeners that answer them, at that address of Envoy's."""
        plain = [probe for probe in self.probes if not isinstance(probe, GrpcProbe)]
        grpc = [probe for probe in self.probes if isinstance(probe, GrpcProbe)]
        made = [self._plain_listener(plain, bind)] if plain else []
        return [*made, *(self._grpc_listener(probe, bind) for probe in grpc)]

    def clusters(self) -> list[Json]:
        """A cluster for each way in which the application is asked, by name."""
        made = {_cluster_name(probe): self._cluster(probe) for probe in self.probes}
        return [made[name] for name in sorted(made)]

    def _plain_listener(self, probes: Sequence[HttpProbe | TcpProbe], bind: str) -> Json:
        routes = [self._route(probe) for probe in probes if isinstance(probe, HttpProbe)]
        checks = [_health_check(probe) for probe in probes if isinstance(probe, TcpProbe)]
        return _listener("app-health", (bind, PROBE_PORT), "HTTP1", checks, routes)

    def _grpc_listener(self, probe: GrpcProbe, bind: str) -> Json:
        route = {"cluster": _cluster_name(probe), "timeout": _seconds(probe.timeout)}
        routes = [{"match": _match("POST", _GRPC_CHECK), "route": route}]
        return _listener(f"app-health-{probe.own_port}", (bind, probe.own_port), "HTTP2", [], routes)

    def _route(self, probe: HttpProbe) -> Json:
        route = {
            "cluster": _cluster_name(probe),
            "prefix_rewrite": probe.target,
            "host_rewrite_literal": probe.host or f"{self.host or self.address}:{probe.port}",
            "timeout": _seconds(probe.timeout),
        }
        # A kubelet would follow it to where nothing answers; a redirect without a place is a success.
        return {"match": _match("GET", probe.path), "route": route, "response_headers_to_remove": ["location"]}

    def _cluster(self, probe: Probe) -> Json:
        address = {"socket_address": {"address": self.address, "port_value": probe.port}}
        name = _cluster_name(probe)
        cluster: Json = {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "upstream_bind_config": {
                "source_address": {"address": "127.0.0.6", "port_value": 0},
                "extra_source_addresses": [{"address": {"address": "::6", "port_value": 0}}],
            },
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }
        return cluster | _ways(probe)


def _ways(probe: Probe) -> Json:
    """What a cluster has for one kind of probe."""
    if isinstance(probe, TcpProbe):
        return {"health_checks": [_accepts(probe)]}
    protocol = "http2_protocol_options" if isinstance(probe, GrpcProbe) else "http_protocol_options"
    options: Json = {
        "@type": _TYPE + _HTTP_OPTIONS,
        "explicit_http_config": {protocol: {}},
        # Each is a connection of its own, as a kubelet's are: none is found closed when it is wanted.
        "common_http_protocol_options": {"max_requests_per_connection": 1},
    }
    ways: Json = {"typed_extension_protocol_options": {_HTTP_OPTIONS: options}}
    if isinstance(probe, HttpProbe) and probe.https:
        context = {"@type": _TYPE + _TLS, **({"sni": probe.host} if probe.host else {})}
        ways["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return ways


def _accepts(probe: TcpProbe) -> Json:
    while_open = f"{max(1, min(_OPEN_S, probe.period // timedelta(seconds=1)))}s"
    while_closed = f"{_CLOSED_S}s"
    return {
        "timeout": _seconds(probe.timeout),
        "interval": while_open,
        "unhealthy_interval": while_closed,
        "no_traffic_interval": while_closed,
        "no_traffic_healthy_interval": while_open,
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "tcp_health_check": {},
    }


def _cluster_name(probe: Probe) -> str:
    if isinstance(probe, TcpProbe):
        period, timeout = probe.period // timedelta(seconds=1), probe.timeout // timedelta(seconds=1)
        return f"app-health|tcp|{probe.port}|{period}|{timeout}"
    if isinstance(probe, GrpcProbe):
        return f"app-health|grpc|{probe.port}"
    return f"app-health|https|{probe.port}|{probe.host}" if probe.https else f"app-health|http|{probe.port}"


def _match(method: str, path: str) -> Json:
    """Exactly this method and path, without any query."""
    headers = [
        {"name": ":method", "string_match": {"exact": method}},
        {"name": ":path", "string_match": {"exact": path}},
    ]
    return {"path": path, "headers": headers}


def _health_check(probe: TcpProbe) -> Json:
    kind = f"{_FILTERS}.http.health_check.v3.HealthCheck"
    check = {
        "@type": _TYPE + kind,
        "pass_through_mode": False,
        "headers": _match("GET", probe.path)["headers"],
        "cluster_min_healthy_percentages": {_cluster_name(probe): {"value": 100}},
    }
    return {"name": "envoy.filters.http.health_check", "typed_config": check}


def _listener(name: str, where: tuple[str, int], codec: str, checks: Iterable[Json], routes: list[Json]) -> Json:
    router = {"@type": f"{_TYPE}{_FILTERS}.http.router.v3.Router", "suppress_envoy_headers": True}
    connection_manager = {
        "@type": f"{_TYPE}{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": codec,
        "generate_request_id": False,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        "route_config": {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]},
        "http_filters": [*checks, {"name": "envoy.filters.http.router", "typed_config": router}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection_manager}]
    both = {"ipv4_compat": True} if where[0] == "::" else {}
    return {
        "name": name,
        "address": {"socket_address": {"address": where[0], "port_value": where[1], **both}},
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": filters}],
    }


def _seconds(duration: timedelta) -> str:
    return f"{duration // timedelta(seconds=1)}s"
