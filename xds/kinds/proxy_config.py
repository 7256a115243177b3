"""ProxyConfig: settings of the proxies themselves, as the mesh configuration's ``defaultConfig`` holds them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import field

from xds.kinds.authored import Lenient, Strict
from xds.kinds.quantities import Duration, Labels, OptionalPortNumber, PercentNumber, UInt32, about
from xds.kinds.telemetry import CustomTag

NOT_READ = about("Accepted, not read.")


class GatewayTopology(Lenient, frozen=True, kw_only=True):
    """What stands before the gateways."""

    num_trusted_proxies: Annotated[UInt32, about("Proxies whose X-Forwarded-For is believed.")] = 0
    forward_client_cert_details: Annotated[
        Literal["", "UNDEFINED", "SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"],
        about("What becomes of X-Forwarded-Client-Cert; SANITIZE_SET when absent."),
    ] = ""
    proxy_protocol: Annotated[
        Any, about("Where it is set, even empty, connections begin with a PROXY protocol header.")
    ] = None


class ZipkinAddress(Lenient, frozen=True, kw_only=True):
    """A Zipkin, by its address."""

    address: Annotated[str, about("Its address, host:port; the host of a service of the mesh.")] = ""


class ProxyTracing(Lenient, frozen=True, kw_only=True):
    """How proxies trace where no Telemetry says otherwise."""

    zipkin: Annotated[ZipkinAddress | None, about("Where spans go.")] = None
    sampling: Annotated[PercentNumber | None, about("Share of requests that begin a trace; 1 when absent.")] = None
    max_path_tag_length: Annotated[UInt32, about("Longest path in a tag, in bytes; 256 when absent.")] = 0
    custom_tags: Annotated[dict[str, CustomTag], about("Tags of spans, by name.")] = field(default_factory=dict)
    enable_istio_tags: Annotated[bool | None, about("Whether spans have Istio's own tags; true when absent.")] = None
    lightstep: Annotated[Any, NOT_READ] = None
    datadog: Annotated[Any, NOT_READ] = None
    stackdriver: Annotated[Any, NOT_READ] = None
    open_census_agent: Annotated[Any, NOT_READ] = None
    tls_settings: Annotated[Any, NOT_READ] = None


class ProxyStatsMatcher(Lenient, frozen=True, kw_only=True):
    """Statistics that proxies keep beside those that all keep, by Envoy's names of them."""

    inclusion_prefixes: Annotated[tuple[str, ...], about("How names begin.")] = ()
    inclusion_suffixes: Annotated[tuple[str, ...], about("How names end.")] = ()
    inclusion_regexps: Annotated[tuple[str, ...], about("RE2 expressions that match whole names.")] = ()


class ProxyConfig(Strict, frozen=True, kw_only=True):
    """Settings of the proxies themselves."""

    config_path: Annotated[str, NOT_READ] = ""
    binary_path: Annotated[str, NOT_READ] = ""
    service_cluster: Annotated[str, NOT_READ] = ""
    tracing_service_name: Annotated[str, about("How a proxy calls itself in traces.")] = ""
    drain_duration: Annotated[Duration | None, about("How long old connections may finish; 45s when absent.")] = None
    parent_shutdown_duration: Annotated[Duration | None, NOT_READ] = None
    discovery_address: Annotated[str, about("Address of the control plane, host:port.")] = ""
    discovery_refresh_delay: Annotated[Duration | None, NOT_READ] = None
    zipkin_address: Annotated[str, NOT_READ] = ""
    statsd_udp_address: Annotated[str, NOT_READ] = ""
    proxy_admin_port: Annotated[OptionalPortNumber, about("Admin port on loopback; 15000 when absent.")] = 0
    control_plane_auth_policy: Annotated[str, NOT_READ] = ""
    custom_config_file: Annotated[str, NOT_READ] = ""
    stat_name_length: Annotated[int, about("Longest name in statistics; 189 when absent.")] = 0
    concurrency: Annotated[int | None, about("Worker threads; 0 is one per core.")] = None
    proxy_bootstrap_template_path: Annotated[str, NOT_READ] = ""
    interception_mode: Annotated[Literal["REDIRECT", "TPROXY", "NONE"], about("How traffic is led to the proxy.")] = (
        "REDIRECT"
    )
    tracing: Annotated[ProxyTracing | None, about("Tracing of the proxies.")] = None
    sds: Annotated[Any, NOT_READ] = None
    envoy_access_log_service: Annotated[Any, NOT_READ] = None
    envoy_metrics_service: Annotated[Any, NOT_READ] = None
    proxy_metadata: Annotated[Labels, about("Environment of the proxy.")] = field(default_factory=dict)
    runtime_values: Annotated[Labels, about("Envoy's runtime settings.")] = field(default_factory=dict)
    status_port: Annotated[OptionalPortNumber, about("Port of the agent's status; 15020 when absent.")] = 0
    extra_stat_tags: Annotated[tuple[str, ...], NOT_READ] = ()
    gateway_topology: Annotated[GatewayTopology | None, about("What stands before the gateways.")] = None
    termination_drain_duration: Annotated[
        Duration | None,
        about("How long a proxy drains before it ends; 5s when absent."),
    ] = None
    mesh_id: Annotated[str, about("Name of the mesh.")] = ""
    readiness_probe: Annotated[Any, NOT_READ] = None
    proxy_stats_matcher: Annotated[ProxyStatsMatcher | None, about("Statistics to keep beyond the default ones.")] = (
        None
    )
    hold_application_until_proxy_starts: Annotated[bool | None, about("Start the proxy first.")] = None
    ca_certificates_pem: Annotated[tuple[str, ...], about("More CAs that are trusted.")] = ()
    image: Annotated[Any, NOT_READ] = None
    private_key_provider: Annotated[Any, NOT_READ] = None
    proxy_headers: Annotated[Any, about("Which headers the proxy adds.")] = None
    file_flush_interval: Annotated[Duration | None, about("How often log files are written.")] = None
    file_flush_min_size_kb: Annotated[int, about("Buffered KiB at which log files are written.")] = 0
    stats_compression: Annotated[bool | None, NOT_READ] = None
    stats_eviction_interval: Annotated[Duration | None, NOT_READ] = None
    availability_zone: Annotated[str, NOT_READ] = ""
    connection_settings: Annotated[Any, about("Limits of the proxy's listeners.")] = None
