"""TrafficPolicy of a DestinationRule: how connections to a service are made, pooled and watched."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from xds.kinds.authored import Lenient, Strict
from xds.kinds.destination import PortSelector
from xds.kinds.load_balancer import LoadBalancerSettings
from xds.kinds.quantities import (
    Duration,
    NaturalInt32,
    NonEmpty,
    PercentNumber,
    PortNumber,
    PositiveDuration,
    UInt32,
    WholePercent,
    about,
)


class TcpKeepalive(Strict, frozen=True, kw_only=True):
    """Probes that find dead connections; what is absent is the operating system's."""

    probes: Annotated[UInt32, about("Unanswered probes before the connection counts as dead.")] = 0
    time: Annotated[PositiveDuration | None, about("Idle time before the first probe.")] = None
    interval: Annotated[PositiveDuration | None, about("Time between probes.")] = None


class TCPSettings(Strict, frozen=True, kw_only=True):
    """Limits of connections of any protocol."""

    max_connections: Annotated[NaturalInt32, about("Connections to the service; no limit when absent or 0.")] = 0
    connect_timeout: Annotated[PositiveDuration | None, about("Longest time to connect; the mesh's if absent.")] = None
    tcp_keepalive: Annotated[TcpKeepalive | None, about("Probes that find dead connections.")] = None
    max_connection_duration: Annotated[PositiveDuration | None, about("Longest life of a connection.")] = None
    idle_timeout: Annotated[Duration | None, about("Longest idle time of a connection; 0s is no limit.")] = None


class HTTP2KeepAlive(Lenient, frozen=True, kw_only=True):
    """HTTP/2 pings that find dead connections."""

    interval: Annotated[PositiveDuration | None, about("Time between pings.")] = None
    timeout: Annotated[PositiveDuration | None, about("How long an answer may take.")] = None


class HTTPSettings(Strict, frozen=True, kw_only=True):
    """Limits of HTTP connections."""

    http1_max_pending_requests: Annotated[NaturalInt32, about("Requests that wait for a connection.")] = 0
    http2_max_requests: Annotated[NaturalInt32, about("Requests under way, of HTTP/1.1 too.")] = 0
    max_requests_per_connection: Annotated[NaturalInt32, about("Requests per connection; 0 is no limit.")] = 0
    max_retries: Annotated[NaturalInt32, about("Retries under way at one time.")] = 0
    idle_timeout: Annotated[Duration | None, about("Longest idle time of a connection.")] = None
    h2_upgrade_policy: Annotated[
        Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"],
        about("Whether HTTP/1.1 is sent on as HTTP/2."),
    ] = "DEFAULT"
    use_client_protocol: Annotated[bool, about("Forward in the protocol that the client speaks.")] = False
    max_concurrent_streams: Annotated[NaturalInt32, about("Streams per HTTP/2 connection.")] = 0
    http2_keep_alive: Annotated[HTTP2KeepAlive | None, about("HTTP/2 pings.")] = None


class ConnectionPoolSettings(Strict, frozen=True, kw_only=True):
    """Limits of the connections to a service."""

    tcp: Annotated[TCPSettings | None, about("Of any protocol.")] = None
    http: Annotated[HTTPSettings | None, about("Of HTTP.")] = None


class OutlierDetection(Strict, frozen=True, kw_only=True):
    """When a failing endpoint is left out for a while."""

    consecutive_errors: Annotated[NaturalInt32, about("Deprecated and not read: use the others.")] = 0
    split_external_local_origin_errors: Annotated[bool, about("Count connection failures apart.")] = False
    consecutive_local_origin_failures: Annotated[UInt32 | None, about("Connection failures in a row.")] = None
    consecutive_gateway_errors: Annotated[UInt32 | None, about("502, 503 and 504 in a row; 0 is off.")] = None
    consecutive_5xx_errors: Annotated[UInt32 | None, about("5xx in a row; 5 when absent, 0 is off.")] = field(
        name="consecutive5xxErrors", default=None
    )
    interval: Annotated[PositiveDuration | None, about("Time between sweeps; 10s when absent.")] = None
    base_ejection_time: Annotated[
        PositiveDuration | None,
        about("How long, times the number of ejections so far; 30s when absent."),
    ] = None
    max_ejection_percent: Annotated[WholePercent, about("Share of the endpoints that may be out; 50 if 0.")] = 0
    min_health_percent: Annotated[
        WholePercent,
        about("With fewer healthy ones, all are used, out or not; 0 never."),
    ] = 0
    outlier_detection_http_error_codes: Annotated[
        tuple[int, ...], about("Statuses that count as errors, instead of 5xx.")
    ] = ()


class ClientTLSSettings(Strict, frozen=True, kw_only=True):
    """TLS of the connections to a service."""

    mode: Annotated[
        Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"],
        about("None, server only, both, both by the mesh."),
    ] = "DISABLE"
    client_certificate: Annotated[str, about("File of the client's certificate chain, for MUTUAL.")] = ""
    private_key: Annotated[str, about("File of its key, for MUTUAL.")] = ""
    ca_certificates: Annotated[str, about("File of the CAs; the system's when absent.")] = ""
    credential_name: Annotated[str, about("Secret that holds key, chain and CAs instead of files.")] = ""
    subject_alt_names: Annotated[tuple[str, ...], about("Names of which the server must prove one.")] = ()
    sni: Annotated[str, about("Server name to send; the Host of the request when absent.")] = ""
    insecure_skip_verify: Annotated[bool | None, about("Do not verify the server.")] = None
    ca_crl: Annotated[str, about("File of revoked certificates.")] = ""


class TunnelSettings(Strict, frozen=True, kw_only=True):
    """A tunnel through an HTTP proxy."""

    protocol: Annotated[str, about("CONNECT, the default, or POST.")] = ""
    target_host: Annotated[NonEmpty, about("Host at the far end.")]
    target_port: Annotated[PortNumber, about("Port at the far end.")]


class ProxyProtocol(Strict, frozen=True, kw_only=True):
    """A PROXY protocol header before the first byte."""

    version: Annotated[Literal["V1", "V2"], about("Version of the header.")] = "V1"


class RetryBudget(Strict, frozen=True, kw_only=True):
    """A limit of retries relative to the requests under way."""

    percent: Annotated[PercentNumber | None, about("Share of the requests; 20 when absent.")] = None
    budget_interval: Annotated[Duration | None, about("Time over which requests count.")] = None
    min_retry_concurrency: Annotated[UInt32, about("Retries that are always allowed; 3 when absent.")] = 0


class PortTrafficPolicy(Strict, frozen=True, kw_only=True):
    """What replaces the policy on one port."""

    port: Annotated[PortSelector | None, about("The port of the service.")] = None
    load_balancer: Annotated[LoadBalancerSettings | None, about("How an endpoint is picked.")] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, about("Limits of connections.")] = None
    outlier_detection: Annotated[OutlierDetection | None, about("When endpoints are left out.")] = None
    tls: Annotated[ClientTLSSettings | None, about("TLS to the service.")] = None


class TrafficPolicy(Strict, frozen=True, kw_only=True):
    """How connections to a service are made, pooled and watched."""

    load_balancer: Annotated[LoadBalancerSettings | None, about("How an endpoint is picked.")] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, about("Limits of connections.")] = None
    outlier_detection: Annotated[OutlierDetection | None, about("When endpoints are left out.")] = None
    tls: Annotated[ClientTLSSettings | None, about("TLS to the service.")] = None
    port_level_settings: Annotated[
        tuple[PortTrafficPolicy, ...],
        about("Policies of single ports, which replace the others whole."),
    ] = ()
    tunnel: Annotated[TunnelSettings | None, about("Reach the service through a tunnel.")] = None
    proxy_protocol: Annotated[ProxyProtocol | None, about("Send a PROXY protocol header.")] = None
    retry_budget: Annotated[RetryBudget | None, about("Limit of retries.")] = None
