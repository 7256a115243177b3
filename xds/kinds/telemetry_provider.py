"""The providers of telemetry among MeshConfig's ``extensionProviders``: collectors of traces, logs and metrics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import field

from xds.kinds.authored import Strict
from xds.kinds.proxy_config import NOT_READ
from xds.kinds.quantities import Labels, NaturalInt32, NonEmpty, PortNumber, PositiveDuration, about

Headers = tuple[str, ...]


class HttpHeader(Strict, frozen=True, kw_only=True):
    """A header that is sent to a collector."""

    name: Annotated[NonEmpty, about("Its name.")]
    value: Annotated[str, about("Its value.")] = ""
    env_name: Annotated[str, NOT_READ] = ""


class HttpService(Strict, frozen=True, kw_only=True):
    """A collector that is spoken to over HTTP."""

    path: Annotated[str, about("Path of its collection; /v1/traces when absent.")] = ""
    timeout: Annotated[PositiveDuration | None, about("Longest wait for its answer; 3s when absent.")] = None
    headers: Annotated[tuple[HttpHeader, ...], about("Headers for it.")] = ()


class GrpcService(Strict, frozen=True, kw_only=True):
    """A collector that is spoken to over gRPC."""

    timeout: Annotated[PositiveDuration | None, about("Longest wait for its answer; 3s when absent.")] = None
    initial_metadata: Annotated[tuple[HttpHeader, ...], about("Metadata for it.")] = ()


class ResourceDetectors(Strict, frozen=True, kw_only=True):
    """What spans say of the proxy that reports them."""

    environment: Annotated[Any, about("OTEL_RESOURCE_ATTRIBUTES, which is always read.")] = None
    dynatrace: Annotated[Any, NOT_READ] = None


class OpenTelemetryTracingProvider(Strict, frozen=True, kw_only=True):
    """A collector of OpenTelemetry's traces; over gRPC unless `http` is set. W3C's headers go along with requests."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port.")]
    max_tag_length: Annotated[NaturalInt32, about("Longest path in a tag, in bytes; 256 when absent.")] = 0
    http: Annotated[HttpService | None, about("How it is spoken to over HTTP.")] = None
    grpc: Annotated[GrpcService | None, about("How it is spoken to over gRPC.")] = None
    resource_detectors: Annotated[ResourceDetectors | None, about("What spans say of the proxy.")] = None
    dynatrace_sampler: Annotated[Any, NOT_READ] = None


class ZipkinTracingProvider(Strict, frozen=True, kw_only=True):
    """A Zipkin. B3's headers go along with requests."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port.")]
    max_tag_length: Annotated[NaturalInt32, about("Longest path in a tag, in bytes; 256 when absent.")] = 0
    enable64bit_trace_id: Annotated[bool, about("Ids of traces of 64 bits instead of 128.")] = field(
        name="enable64bitTraceId", default=False
    )
    path: Annotated[str, about("Path of its collection; /api/v2/spans when absent.")] = ""
    timeout: Annotated[PositiveDuration | None, NOT_READ] = None
    headers: Annotated[tuple[HttpHeader, ...], NOT_READ] = ()
    trace_context_option: Annotated[
        Literal["USE_B3", "USE_B3_WITH_W3C_PROPAGATION"], about("Whether W3C's headers are taken and sent, too.")
    ] = "USE_B3"


class LogFormat(Strict, frozen=True, kw_only=True):
    """What an entry is: a text or an object; Istio's own text when neither is set."""

    text: Annotated[str, about("Text with Envoy's `%COMMANDS%`.")] = ""
    labels: Annotated[Any, about("Object with such texts.")] = None


class EnvoyFileAccessLogProvider(Strict, frozen=True, kw_only=True):
    """A file of the proxy's; /dev/stdout is its container's log."""

    path: Annotated[NonEmpty, about("Path of the file.")]
    log_format: Annotated[LogFormat | None, about("What an entry is.")] = None
    omit_empty_values: Annotated[bool, about("Leave out what is not known, instead of `-`.")] = False


class EnvoyHttpAlsProvider(Strict, frozen=True, kw_only=True):
    """A service that takes requests by Envoy's gRPC access log (ALS)."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port, which speaks gRPC.")]
    log_name: Annotated[str, about("Name of the log; http_envoy_accesslog when absent.")] = ""
    filter_state_objects_to_log: Annotated[Headers, about("Filter state objects that entries have.")] = ()
    additional_request_headers_to_log: Annotated[Headers, about("More headers of requests.")] = ()
    additional_response_headers_to_log: Annotated[Headers, about("More headers of responses.")] = ()
    additional_response_trailers_to_log: Annotated[Headers, about("More trailers of responses.")] = ()


class EnvoyTcpAlsProvider(Strict, frozen=True, kw_only=True):
    """A service that takes connections by Envoy's gRPC access log (ALS)."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port, which speaks gRPC.")]
    log_name: Annotated[str, about("Name of the log; tcp_envoy_accesslog when absent.")] = ""
    filter_state_objects_to_log: Annotated[Headers, about("Filter state objects that entries have.")] = ()


class OtelLogFormat(Strict, frozen=True, kw_only=True):
    """What a record is: its body and its attributes."""

    text: Annotated[str, about("Body, with Envoy's `%COMMANDS%`; Istio's own text when absent.")] = ""
    labels: Annotated[Labels, about("Attributes, with such texts.")] = field(default_factory=dict)


class EnvoyOtelAlsProvider(Strict, frozen=True, kw_only=True):
    """A collector of OpenTelemetry's logs, over gRPC."""

    service: Annotated[NonEmpty, about("Host of the service, `[NAMESPACE/]HOST`.")]
    port: Annotated[PortNumber, about("Its port, which speaks gRPC.")]
    log_name: Annotated[str, about("Name of the log; otel_envoy_accesslog when absent.")] = ""
    log_format: Annotated[OtelLogFormat | None, about("What a record is.")] = None


class PrometheusMetricsProvider(Strict, frozen=True, kw_only=True):
    """Prometheus, which asks the proxies by itself."""
