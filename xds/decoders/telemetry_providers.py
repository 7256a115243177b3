"""What MeshConfig says of telemetry: the collectors among its ``extensionProviders``, its defaults, its access log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from xds.decoders.telemetry import check_format, span_tags
from xds.kinds import telemetry_provider as structs
from xds.kinds.extension_provider import ExtensionProvider
from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.proxy_config import ProxyTracing
from xds.model.refs import FieldRef
from xds.model.route import Destination
from xds.model.telemetry import Tracing
from xds.model.telemetry_provider import (
    ENVOY,
    STDOUT,
    FileLog,
    GrpcLog,
    MeshTelemetry,
    OtelLog,
    OtelTracer,
    Prometheus,
    Provider,
    ZipkinTracer,
)
from xds.translators.feature import Reading

READ: Final = frozenset(
    {"access_log_encoding", "access_log_file", "access_log_format", "default_providers", "enable_tracing"}
)
"""The fields of MeshConfig that are read here, beside ``extensionProviders`` and ``defaultConfig.tracing``."""

MESH_FILE: Final = "accessLogFile"
"""The name of the provider that MeshConfig's ``accessLogFile`` is."""

_MESH_ZIPKIN: Final = "defaultConfig.tracing.zipkin"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_NOT_READ: Final = "is not carried out by this version"
_UNREAD: Final = ("lightstep", "datadog", "stackdriver", "open_census_agent", "tls_settings")
_TIMEOUT: Final = timedelta(seconds=3)
_LONGEST_PATH: Final = 4096


def mesh_telemetry(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> MeshTelemetry:
    """What the settings say of telemetry. Problems: extension-provider.*, telemetry.*, mesh.not-read."""
    envoy = _mesh_log(spec, at, reading)
    found = {ENVOY: Provider(ENVOY, envoy), "prometheus": Provider("prometheus", Prometheus())}
    for index, struct in enumerate(spec.extension_providers):
        provider = _provider(struct, at / "extensionProviders" / index, reading)
        if provider is not None:
            found[provider.name] = provider
    stated = spec.default_providers
    logs = stated.access_logging if stated is not None else ()
    traces = stated.tracing if stated is not None else ()
    if spec.access_log_file and not logs:
        found[MESH_FILE] = Provider(MESH_FILE, envoy)
        logs = (MESH_FILE,)
    own = spec.default_config.tracing if spec.default_config is not None else None
    zipkin = _own_zipkin(own, at / "defaultConfig.tracing", reading)
    if zipkin is not None and not traces:
        found[_MESH_ZIPKIN] = Provider(_MESH_ZIPKIN, zipkin)
        traces = (_MESH_ZIPKIN,)
    for name, names in (("accessLogging", logs), ("tracing", traces)):
        if unknown := [each for each in names if each not in found]:
            message = f"must be names of extensionProviders, is {', '.join(unknown)}, which is none that is read"
            reading.warning(at / "defaultProviders" / name, "telemetry.provider-unknown", message)
    return MeshTelemetry(
        providers=tuple(found[name] for name in sorted(found)),
        logs=logs,
        traces=traces[:1],
        metrics=stated.metrics if stated is not None else (),
        tracing=_own_tracing(own, at / "defaultConfig.tracing", reading),
        traced=spec.enable_tracing is not False,
    )


def _mesh_log(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> FileLog:
    path, stated = spec.access_log_file or STDOUT, spec.access_log_format
    as_json = spec.access_log_encoding == "JSON"
    if not stated:
        return FileLog(path, json=as_json)
    check_format(stated, at / "accessLogFormat", reading)
    if not as_json:
        return FileLog(path, text=stated)
    try:
        labels = json.loads(stated)
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not labels:
        message = "must be a JSON object, as accessLogEncoding is JSON"
        reading.error(at / "accessLogFormat", "telemetry.format", message)
        return FileLog(path, json=True)
    return FileLog(path, labels=json.dumps(labels, sort_keys=True))


def _own_zipkin(own: ProxyTracing | None, at: FieldRef, reading: Reading) -> ZipkinTracer | None:
    for field in msgspec.structs.fields(own) if own is not None else ():
        if field.name in _UNREAD and getattr(own, field.name) is not None:
            reading.warning(at / field.encode_name, "mesh.not-read", _NOT_READ)
    if own is None or own.zipkin is None or not own.zipkin.address:
        return None
    host, _, port = own.zipkin.address.rpartition(":")
    if not _HOST.fullmatch(host) or not port.isdecimal() or not 0 < int(port) <= 65_535:
        message = f"must be HOST:PORT of a service, is {own.zipkin.address!r}"
        reading.error(at / "zipkin.address", "extension-provider.service", message)
        return None
    return ZipkinTracer(_destination(host, int(port), reading), longest_path=own.max_path_tag_length)


def _own_tracing(own: ProxyTracing | None, at: FieldRef, reading: Reading) -> Tracing:
    if own is None:
        return Tracing()
    tags = tuple(span_tags(own.custom_tags, at / "customTags", reading))
    return Tracing(sampling=own.sampling, tags=tags or None, istio_tags=own.enable_istio_tags)


def _destination(host: str, port: int, reading: Reading) -> Destination:
    """Where a provider is; ``NAME.NAMESPACE.svc`` and the like are put in full."""
    found = reading.fqdn(host)
    return Destination(f"{found}.{reading.domain}" if found.endswith(".svc") else found, port=port)


def _provider(struct: ExtensionProvider, at: FieldRef, reading: Reading) -> Provider | None:
    for field, decode in _DECODERS.items():
        spoken = getattr(struct, field)
        if spoken is not None:
            here = at / msgspec.structs.fields(struct)[_INDEX[field]].encode_name
            return Provider(struct.name, decode(spoken, here, reading))
    return None


def _service(spoken: Any, at: FieldRef, reading: Reading) -> Destination:
    host = spoken.service.rpartition("/")[2]
    if not _HOST.fullmatch(host):
        message = f"must be HOST or NAMESPACE/HOST, is {spoken.service!r}"
        reading.error(at / "service", "extension-provider.service", message)
    return _destination(host, spoken.port, reading)


def _headers(stated: Iterable[structs.HttpHeader], at: FieldRef, reading: Reading) -> Iterator[tuple[str, str]]:
    for index, each in enumerate(stated):
        here = at / index
        if each.env_name:
            reading.warning(here / "envName", "mesh.not-read", f"{_NOT_READ}; the header is left out")
        elif not _HEADER.fullmatch(each.name):
            message = f"must be a header's name, is {each.name!r}"
            reading.error(here / "name", "extension-provider.header", message)
        elif _UNPRINTABLE.search(each.value):
            reading.error(here / "value", "extension-provider.header", "must have no control characters")
        else:
            yield each.name.lower(), each.value


def _path(path: str, default: str, at: FieldRef, reading: Reading) -> str:
    if path and (not path.startswith("/") or _UNPRINTABLE.search(path) or len(path) > _LONGEST_PATH):
        reading.error(at / "path", "extension-provider.path-prefix", f"must begin with a slash, is {path!r}")
    return path or default


def _otel(spoken: structs.OpenTelemetryTracingProvider, at: FieldRef, reading: Reading) -> OtelTracer:
    if spoken.dynatrace_sampler is not None:
        reading.warning(at / "dynatraceSampler", "mesh.not-read", _NOT_READ)
    if spoken.resource_detectors is not None and spoken.resource_detectors.dynatrace is not None:
        reading.warning(at / "resourceDetectors.dynatrace", "mesh.not-read", _NOT_READ)
    service = _service(spoken, at, reading)
    http, grpc = spoken.http, spoken.grpc
    if http is not None:
        return OtelTracer(
            service,
            path=_path(http.path, "/v1/traces", at / "http", reading),
            timeout=http.timeout or _TIMEOUT,
            headers=tuple(_headers(http.headers, at / "http.headers", reading)),
            longest_path=spoken.max_tag_length,
        )
    return OtelTracer(
        service,
        timeout=(grpc.timeout if grpc is not None else None) or _TIMEOUT,
        headers=tuple(_headers(grpc.initial_metadata, at / "grpc.initialMetadata", reading)) if grpc else (),
        longest_path=spoken.max_tag_length,
    )


def _zipkin(spoken: structs.ZipkinTracingProvider, at: FieldRef, reading: Reading) -> ZipkinTracer:
    for name in ("timeout", "headers"):
        if getattr(spoken, name):
            reading.warning(at / name, "mesh.not-read", _NOT_READ)
    return ZipkinTracer(
        _service(spoken, at, reading),
        path=_path(spoken.path, "/api/v2/spans", at, reading),
        short_ids=spoken.enable64bit_trace_id,
        w3c=spoken.trace_context_option == "USE_B3_WITH_W3C_PROPAGATION",
        longest_path=spoken.max_tag_length,
    )


def _file(spoken: structs.EnvoyFileAccessLogProvider, at: FieldRef, reading: Reading) -> FileLog:
    stated = spoken.log_format
    if stated is None or not (stated.text or stated.labels):
        return FileLog(
            spoken.path,
            omit_empty=spoken.omit_empty_values,
            json=stated is not None and not stated.text and stated.labels is not None,
        )
    if stated.text:
        check_format(stated.text, at / "logFormat.text", reading)
        return FileLog(spoken.path, text=stated.text, omit_empty=spoken.omit_empty_values)
    if not isinstance(stated.labels, Mapping):
        reading.error(at / "logFormat.labels", "telemetry.format", "must be an object")
        return FileLog(spoken.path)
    labels = json.dumps(stated.labels, sort_keys=True)
    check_format(labels, at / "logFormat.labels", reading)
    return FileLog(spoken.path, labels=labels, omit_empty=spoken.omit_empty_values)


def _http_als(spoken: structs.EnvoyHttpAlsProvider, at: FieldRef, reading: Reading) -> GrpcLog:
    return GrpcLog(
        _service(spoken, at, reading),
        spoken.log_name or "http_envoy_accesslog",
        filter_state=spoken.filter_state_objects_to_log,
        request_headers=spoken.additional_request_headers_to_log,
        response_headers=spoken.additional_response_headers_to_log,
        response_trailers=spoken.additional_response_trailers_to_log,
    )


def _tcp_als(spoken: structs.EnvoyTcpAlsProvider, at: FieldRef, reading: Reading) -> GrpcLog:
    name = spoken.log_name or "tcp_envoy_accesslog"
    return GrpcLog(_service(spoken, at, reading), name, tcp=True, filter_state=spoken.filter_state_objects_to_log)


def _otel_als(spoken: structs.EnvoyOtelAlsProvider, at: FieldRef, reading: Reading) -> OtelLog:
    stated = spoken.log_format
    text, labels = (stated.text, tuple(sorted(stated.labels.items()))) if stated is not None else ("", ())
    for each in (text, *(value for _, value in labels)):
        check_format(each, at / "logFormat", reading)
    return OtelLog(_service(spoken, at, reading), spoken.log_name or "otel_envoy_accesslog", text, labels)


_DECODERS: Final[dict[str, Any]] = {
    "zipkin": _zipkin,
    "opentelemetry": _otel,
    "prometheus": lambda spoken, at, reading: Prometheus(),
    "envoy_file_access_log": _file,
    "envoy_http_als": _http_als,
    "envoy_tcp_als": _tcp_als,
    "envoy_otel_als": _otel_als,
}
TELEMETRY: Final = frozenset(_DECODERS)
"""The kinds of providers that are read here, by the names of the struct's fields."""

_INDEX: Final = {field.name: number for number, field in enumerate(msgspec.structs.fields(ExtensionProvider))}
