"""Telemetry: what proxies tell of the traffic that they see, as traces, metrics and access logs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import NonEmpty, PercentNumber, PositiveDuration, about
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadSelector

Mode = Literal["CLIENT_AND_SERVER", "CLIENT", "SERVER"]
MetricName = Literal[
    "ALL_METRICS",
    "REQUEST_COUNT",
    "REQUEST_DURATION",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "TCP_OPENED_CONNECTIONS",
    "TCP_CLOSED_CONNECTIONS",
    "TCP_SENT_BYTES",
    "TCP_RECEIVED_BYTES",
    "GRPC_REQUEST_MESSAGES",
    "GRPC_RESPONSE_MESSAGES",
]


class ProviderRef(Strict, frozen=True, kw_only=True):
    """One of MeshConfig's extensionProviders, or a built-in one."""

    name: Annotated[NonEmpty, about("Its name.")]


class TracingSelector(Strict, frozen=True, kw_only=True):
    """Which traffic is meant."""

    mode: Annotated[Mode, about("As caller, as server, or both; gateways count as callers.")] = "CLIENT_AND_SERVER"


class Literally(Strict, frozen=True, kw_only=True):
    """The value itself."""

    value: Annotated[str, about("The value.")]


class Environment(Strict, frozen=True, kw_only=True):
    """A variable of the proxy's environment."""

    name: Annotated[NonEmpty, about("Its name.")]
    default_value: Annotated[str, about("The value where it is not set.")] = ""


class RequestHeader(Strict, frozen=True, kw_only=True):
    """A header of the request."""

    name: Annotated[NonEmpty, about("Its name.")]
    default_value: Annotated[str, about("The value where it is missing.")] = ""


class Formatter(Strict, frozen=True, kw_only=True):
    """A value that is put together as access logs put theirs."""

    value: Annotated[str, about("Text with Envoy's `%COMMANDS%`.")]


class CustomTag(Strict, frozen=True, kw_only=True):
    """One tag of spans: one of these."""

    literal: Annotated[Literally | None, about("The value itself.")] = None
    environment: Annotated[Environment | None, about("A variable of the proxy's environment.")] = None
    header: Annotated[RequestHeader | None, about("A header of the request.")] = None
    formatter: Annotated[Formatter | None, about("A text with Envoy's commands.")] = None


class Tracing(Strict, frozen=True, kw_only=True):
    """How requests are traced."""

    match: Annotated[TracingSelector | None, about("Which traffic; all when absent.")] = None
    providers: Annotated[tuple[ProviderRef, ...], about("Where spans go; the first one is used.")] = ()
    random_sampling_percentage: Annotated[PercentNumber | None, about("Share of requests that begin a trace.")] = None
    disable_span_reporting: Annotated[bool | None, about("Report no spans.")] = None
    custom_tags: Annotated[dict[str, CustomTag], about("Tags of spans, by name.")] = field(default_factory=dict)
    use_request_id_for_trace_sampling: Annotated[
        bool | None, about("Whether `x-request-id` tells that a request is traced; true when absent.")
    ] = None
    enable_istio_tags: Annotated[bool | None, about("Whether spans have Istio's own tags; true when absent.")] = None
    disable_context_propagation: Annotated[bool | None, about("Send no headers of traces on.")] = None


class MetricSelector(Strict, frozen=True, kw_only=True):
    """Which metrics are meant, of which traffic."""

    metric: Annotated[MetricName | None, about("One of the standard ones; all when absent.")] = None
    custom_metric: Annotated[str, about("A metric by its own name.")] = ""
    mode: Annotated[Mode, about("As caller, as server, or both.")] = "CLIENT_AND_SERVER"


class TagOverride(Strict, frozen=True, kw_only=True):
    """What becomes of one label."""

    operation: Annotated[Literal["UPSERT", "REMOVE"], about("Set it, or leave it out.")] = "UPSERT"
    value: Annotated[str, about("CEL expression of the value.")] = ""


class MetricsOverrides(Strict, frozen=True, kw_only=True):
    """What is different with some metrics."""

    match: Annotated[MetricSelector | None, about("Which metrics; all when absent.")] = None
    disabled: Annotated[bool | None, about("Do not count them.")] = None
    tag_overrides: Annotated[dict[str, TagOverride], about("What is different with labels, by name.")] = field(
        default_factory=dict
    )


class Metrics(Strict, frozen=True, kw_only=True):
    """What is counted."""

    providers: Annotated[tuple[ProviderRef, ...], about("Who is given the metrics.")] = ()
    overrides: Annotated[tuple[MetricsOverrides, ...], about("What is different with some; the last one wins.")] = ()
    reporting_interval: Annotated[PositiveDuration | None, about("How often open connections are counted.")] = None


class LogSelector(Strict, frozen=True, kw_only=True):
    """Which traffic is meant."""

    mode: Annotated[Mode, about("As caller, as server, or both; gateways count as callers.")] = "CLIENT_AND_SERVER"


class LogFilter(Strict, frozen=True, kw_only=True):
    """Which requests are logged."""

    expression: Annotated[str, about("CEL expression; what it is false for is not logged.")] = ""


class AccessLogging(Strict, frozen=True, kw_only=True):
    """What is logged, and where."""

    match: Annotated[LogSelector | None, about("Which traffic; all when absent.")] = None
    providers: Annotated[tuple[ProviderRef, ...], about("Where entries go.")] = ()
    disabled: Annotated[bool | None, about("Log nothing.")] = None
    filter: Annotated[LogFilter | None, about("Which requests; all when absent.")] = None


class TelemetrySpec(Strict, frozen=True, kw_only=True):
    """What the proxies of a scope tell."""

    selector: Annotated[WorkloadSelector | None, about("Workloads it is for; all of the namespace when absent.")] = None
    target_ref: Annotated[PolicyTargetReference | None, about("Old form of targetRefs.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], about("What it is for, instead of workloads.")] = ()
    tracing: Annotated[tuple[Tracing, ...], about("Traces.")] = ()
    metrics: Annotated[tuple[Metrics, ...], about("Metrics.")] = ()
    access_logging: Annotated[tuple[AccessLogging, ...], about("Access logs.")] = ()


class Telemetry(Authored, frozen=True, kw_only=True):
    """What proxies tell of the traffic that they see, as traces, metrics and access logs."""

    KIND: ClassVar[Kind] = Kind("telemetry.istio.io", "Telemetry", ("v1", "v1alpha1"), "telemetries", ("telemetry",))

    spec: Annotated[TelemetrySpec, about("What they tell.")] = TelemetrySpec()
