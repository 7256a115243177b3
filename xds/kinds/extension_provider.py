"""MeshConfig's ``extensionProviders``: services that policies name."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from xds.kinds.authored import Strict
from xds.kinds.proxy_config import NOT_READ
from xds.kinds.quantities import Labels, NonEmpty, PortNumber, PositiveDuration, about
from xds.kinds.telemetry_provider import (
    EnvoyFileAccessLogProvider,
    EnvoyHttpAlsProvider,
    EnvoyOtelAlsProvider,
    EnvoyTcpAlsProvider,
    OpenTelemetryTracingProvider,
    PrometheusMetricsProvider,
    ZipkinTracingProvider,
)


class EnvoyExternalAuthorizationRequestBody(Strict, frozen=True, kw_only=True):
    """How much of a request's body is sent along to be checked."""

    max_request_bytes: Annotated[int, Meta(ge=1, le=4_294_967_295), about("Largest body, in bytes; 413 above.")]
    allow_partial_message: Annotated[bool, about("Whether the beginning of a larger one is enough.")] = False
    pack_as_bytes: Annotated[bool, about("Sent as bytes instead of UTF-8 text; gRPC only.")] = False


class EnvoyExternalAuthorizationHttpProvider(Strict, frozen=True, kw_only=True):
    """An external authorizer that is asked over HTTP."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port.")]
    timeout: Annotated[PositiveDuration | None, about("Longest wait for an answer; 600s when absent.")] = None
    path_prefix: Annotated[str, about("Put before the path of what is asked.")] = ""
    fail_open: Annotated[bool, about("Whether requests pass when it does not answer.")] = False
    clear_route_cache: Annotated[bool, about("Whether routes are chosen again with the headers it adds.")] = False
    status_on_error: Annotated[str, about("Status when it does not answer; 403 when absent.")] = ""
    include_headers_in_check: Annotated[tuple[str, ...], about("Old name of includeRequestHeadersInCheck.")] = ()
    include_request_headers_in_check: Annotated[tuple[str, ...], about("Headers that are sent to it.")] = ()
    include_additional_headers_in_check: Annotated[Labels, about("More headers for it.")] = field(default_factory=dict)
    include_request_body_in_check: Annotated[
        EnvoyExternalAuthorizationRequestBody | None, about("How much of the body is sent to it.")
    ] = None
    headers_to_upstream_on_allow: Annotated[tuple[str, ...], about("Its headers for the application.")] = ()
    headers_to_downstream_on_deny: Annotated[tuple[str, ...], about("Its headers for callers refused.")] = ()
    headers_to_downstream_on_allow: Annotated[tuple[str, ...], about("Its headers for callers let in.")] = ()


class EnvoyExternalAuthorizationGrpcProvider(Strict, frozen=True, kw_only=True):
    """An external authorizer that is asked over gRPC."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port.")]
    timeout: Annotated[PositiveDuration | None, about("Longest wait for an answer; 600s when absent.")] = None
    fail_open: Annotated[bool, about("Whether requests pass when it does not answer.")] = False
    clear_route_cache: Annotated[bool, about("Whether routes are chosen again with the headers it adds.")] = False
    status_on_error: Annotated[str, about("Status when it does not answer; 403 when absent.")] = ""
    include_request_body_in_check: Annotated[
        EnvoyExternalAuthorizationRequestBody | None, about("How much of the body is sent to it.")
    ] = None


class ExtensionProvider(Strict, frozen=True, kw_only=True):
    """One service, by the name that policies have for it, and exactly one way to speak to it."""

    name: Annotated[NonEmpty, about("Its name.")]
    envoy_ext_authz_http: Annotated[
        EnvoyExternalAuthorizationHttpProvider | None, about("An external authorizer over HTTP.")
    ] = None
    envoy_ext_authz_grpc: Annotated[
        EnvoyExternalAuthorizationGrpcProvider | None, about("An external authorizer over gRPC.")
    ] = None
    zipkin: Annotated[ZipkinTracingProvider | None, about("A Zipkin.")] = None
    lightstep: Annotated[Any, NOT_READ] = None
    datadog: Annotated[Any, NOT_READ] = None
    stackdriver: Annotated[Any, NOT_READ] = None
    opencensus: Annotated[Any, NOT_READ] = None
    skywalking: Annotated[Any, NOT_READ] = None
    opentelemetry: Annotated[OpenTelemetryTracingProvider | None, about("A collector of traces.")] = None
    prometheus: Annotated[PrometheusMetricsProvider | None, about("Prometheus.")] = None
    envoy_file_access_log: Annotated[EnvoyFileAccessLogProvider | None, about("A file for access logs.")] = None
    envoy_http_als: Annotated[EnvoyHttpAlsProvider | None, about("A service for access logs of HTTP.")] = None
    envoy_tcp_als: Annotated[EnvoyTcpAlsProvider | None, about("A service for access logs of TCP.")] = None
    envoy_otel_als: Annotated[EnvoyOtelAlsProvider | None, about("A collector of logs.")] = None
    sds: Annotated[Any, NOT_READ] = None
