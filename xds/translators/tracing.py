"""Tracing of HTTP chains: where spans go, which headers carry them on, and what tags they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.core.v3.base_pb2 import HeaderValue
from xds.api.envoy.config.trace.v3.http_tracer_pb2 import Tracing as Providers
from xds.api.envoy.config.trace.v3.opentelemetry_pb2 import OpenTelemetryConfig
from xds.api.envoy.config.trace.v3.zipkin_pb2 import ZipkinConfig
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.api.envoy.extensions.request_id.uuid.v3.uuid_pb2 import UuidRequestIdConfig
from xds.api.envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import environment_resource_detector_pb2
from xds.api.envoy.type.tracing.v3.custom_tag_pb2 import CustomTag
from xds.model.telemetry import SpanTag, TagSource
from xds.model.telemetry_provider import OtelTracer, ZipkinTracer
from xds.view.specs.observed import Traced
from xds.wire.codec import duration, pack

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager

_OTEL: Final = "envoy.tracers.opentelemetry"
_ZIPKIN: Final = "envoy.tracers.zipkin"
_ENVIRONMENT: Final = "envoy.tracers.opentelemetry.resource_detectors.environment"
_UUID: Final = "envoy.request_id.uuid"
_METADATA: Final = "xds.node.metadata"


def _label(names: tuple[str, ...], rest: str) -> str:
    """A CEL expression: the first of these labels that the proxy has, else ``rest``."""
    for name in reversed(names):
        rest = f"'{name}' in {_METADATA}.LABELS ? {_METADATA}.LABELS['{name}'] : {rest}"
    return rest


# The same for all proxies, so that these share their listeners: who each of them is, its own bootstrap says.
_ISTIO_TAGS: Final = {
    "istio.canonical_revision": _label(
        ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"), "'latest'"
    ),
    "istio.canonical_service": _label(
        ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app"), f"{_METADATA}['WORKLOAD_NAME']"
    ),
    "istio.cluster_id": f"{_METADATA}['CLUSTER_ID']",
    "istio.namespace": f"{_METADATA}['NAMESPACE']",
}


def spell(traced: Traced, *, edge: bool, into: HttpConnectionManager) -> None:
    """Put tracing into a connection manager; at the mesh's ``edge`` what is sent on has a span of its own."""
    message = into.tracing
    message.random_sampling.value = traced.sampling
    message.provider.CopyFrom(_provider(traced))
    if traced.to.longest_path:
        message.max_path_tag_length.value = traced.to.longest_path
    message.custom_tags.extend(_tags(traced))
    message.no_context_propagation = not traced.propagates
    if edge:
        message.spawn_upstream_span.value = True
    if not traced.request_id_decides:
        config = UuidRequestIdConfig()
        config.use_request_id_for_trace_sampling.value = False
        into.request_id_extension.typed_config.CopyFrom(pack(config))


def _provider(traced: Traced) -> Providers.Http:
    if isinstance(traced.to, OtelTracer):
        return Providers.Http(name=_OTEL, typed_config=pack(_otel(traced.to)))
    return Providers.Http(name=_ZIPKIN, typed_config=pack(_zipkin(traced.to)))


def _otel(to: OtelTracer) -> Message:
    message = OpenTelemetryConfig()
    if to.path:
        uri = message.http_service.http_uri
        uri.uri = f"http://{to.service.host}:{to.service.port}{to.path}"
        uri.cluster = to.cluster
        uri.timeout.CopyFrom(duration(to.timeout))
        for name, value in to.headers:
            message.http_service.request_headers_to_add.add().header.MergeFrom(_header(name, value))
    else:
        message.grpc_service.envoy_grpc.cluster_name = to.cluster
        message.grpc_service.timeout.CopyFrom(duration(to.timeout))
        for name, value in to.headers:
            message.grpc_service.initial_metadata.add(key=name, value=value)
    environment = environment_resource_detector_pb2.EnvironmentResourceDetectorConfig()
    message.resource_detectors.add(name=_ENVIRONMENT, typed_config=pack(environment))
    return message


def _header(name: str, value: str) -> HeaderValue:
    return HeaderValue(key=name, value=value.replace("%", "%%"))


def _zipkin(to: ZipkinTracer) -> Message:
    message = ZipkinConfig(
        collector_cluster=to.cluster,
        collector_endpoint=to.path,
        collector_endpoint_version=ZipkinConfig.HTTP_JSON,
        collector_hostname=to.service.host,
        trace_id_128bit=not to.short_ids,
    )
    message.shared_span_context.value = False
    if to.w3c:
        message.trace_context_option = ZipkinConfig.USE_B3_WITH_W3C_PROPAGATION
    return message


def _tags(traced: Traced) -> Iterator[CustomTag]:
    stated = {tag.name: _tag(tag) for tag in traced.tags}
    if traced.istio_tags:
        stated = {name: CustomTag(tag=name, value=f"%CEL({cel})%") for name, cel in _ISTIO_TAGS.items()} | stated
    for name in sorted(stated):
        yield stated[name]


def _tag(tag: SpanTag) -> CustomTag:
    message = CustomTag(tag=tag.name)
    if tag.source is TagSource.LITERAL:
        message.literal.value = tag.value
    elif tag.source is TagSource.ENVIRONMENT:
        message.environment.name, message.environment.default_value = tag.value, tag.default
    elif tag.source is TagSource.HEADER:
        message.request_header.name, message.request_header.default_value = tag.value, tag.default
    else:
        message.value = tag.value
    return message
