"""The access loggers of all chains: errors and a sample where nobody says anything, collectors, the control plane.

The control plane is told of what fails, and while `plait record` runs of all.

Which requests each of them is given is decided by switches (RTDS) as far as can be: an edit of these changes no
listener.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter, ComparisonFilter
from xds.api.envoy.config.core.v3.config_source_pb2 import ApiVersion
from xds.api.envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from xds.api.envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from xds.api.envoy.extensions.access_loggers.grpc.v3.als_pb2 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
    TcpGrpcAccessLogConfig,
)
from xds.api.envoy.extensions.access_loggers.open_telemetry.v3.logs_service_pb2 import OpenTelemetryAccessLogConfig
from xds.api.envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from xds.model.telemetry_provider import STDOUT, FileLog, GrpcLog, OtelLog
from xds.translators.log_conditions import END, all_of, any_of, at, cel, flagged, logger
from xds.translators.log_formats import FIELDS, TEXT, as_struct
from xds.view.names import CONTROL_PLANE
from xds.view.specs.observed import (
    FAILED_STATUS,
    FAILED_UNANSWERED,
    RECORD,
    SAMPLED_PERCENT,
    SAMPLED_SLOW_MS,
    SAMPLED_STATUS,
    Logger,
    Observed,
    switch,
)

RECORDED: Final = "record"
"""The name of the log that the control plane reads: all while `plait record` runs, else what fails."""

ERRORS_FROM: Final = 500
SLOW_MS: Final = 1000
SAMPLE_PERCENT: Final = 1
_ALL: Final = 100
# Of connections, a flag may also say how an ordinary one has ended.
_TCP_FAILURES: Final = ("UF", "UH", "URX", "UO", "NC", "NR", "UAEX", "DF", "OM")
# Beside a status from 500 on: gRPC's is 200 however it ends, and an answer may break off. Who is not let in
# (UAEX) is told of as a refusal.
HTTP_FAILURES: Final = (
    "UF",
    "UH",
    "URX",
    "UO",
    "UT",
    "UC",
    "UR",
    "UPE",
    "NC",
    "NR",
    "DF",
    "RL",
    "RLSE",
    "OM",
    "SI",
    "DT",
)
TCP_FAILURES: Final = tuple(flag for flag in _TCP_FAILURES if flag != "UAEX")


@lru_cache(maxsize=512)
def http_loggers(observed: Observed, *, outbound: bool) -> tuple[AccessLog, ...]:
    """The loggers of an HTTP chain."""
    loggers = (_http_logger(each, outbound=outbound) for each in observed.loggers if _takes(each, tcp=False))
    record = HttpGrpcAccessLogConfig(common_config=_to_control_plane())
    # Whoever hangs up on an answer that has begun, as watchers do, has not waited in vain.
    hung_up = all_of(flagged("DC"), _compared(FAILED_UNANSWERED, ComparisonFilter.EQ, 0))
    failed = (_at_least(FAILED_STATUS, ERRORS_FROM), flagged(*HTTP_FAILURES), hung_up)
    return (*loggers, logger(RECORDED, record, any_of(_share(RECORD, 0), *failed)))


@lru_cache(maxsize=512)
def tcp_loggers(observed: Observed, *, outbound: bool) -> tuple[AccessLog, ...]:
    """The loggers of a TCP chain: of each connection one entry, when it has ended."""
    loggers = (_tcp_logger(each, outbound=outbound) for each in observed.loggers if _takes(each, tcp=True))
    record = TcpGrpcAccessLogConfig(common_config=_to_control_plane())
    failed = flagged(*TCP_FAILURES)
    return (*loggers, logger(RECORDED, record, all_of(at(END), any_of(_share(RECORD, 0), failed))))


def _takes(wanted: Logger, *, tcp: bool) -> bool:
    return not isinstance(wanted.to, GrpcLog) or wanted.to.tcp is tcp


def _http_logger(wanted: Logger, *, outbound: bool) -> AccessLog:
    conditions = [_share(switch(wanted.name, outbound=outbound), _ALL)]
    if wanted.sampled:
        errors = _at_least(SAMPLED_STATUS, ERRORS_FROM)
        slow = _at_least(SAMPLED_SLOW_MS, SLOW_MS, duration=True)
        conditions.append(any_of(errors, flagged(), slow, _share(SAMPLED_PERCENT, SAMPLE_PERCENT)))
    return logger(wanted.name, _config(wanted), _with_expression(conditions, wanted))


def _tcp_logger(wanted: Logger, *, outbound: bool) -> AccessLog:
    conditions = [at(END), _share(switch(wanted.name, outbound=outbound), _ALL)]
    if wanted.sampled:
        conditions.append(any_of(flagged(*_TCP_FAILURES), _share(SAMPLED_PERCENT, SAMPLE_PERCENT)))
    return logger(wanted.name, _config(wanted), _with_expression(conditions, wanted))


def _with_expression(conditions: list[AccessLogFilter], wanted: Logger) -> AccessLogFilter:
    if wanted.expression:
        conditions.append(cel(wanted.expression))
    return conditions[0] if len(conditions) == 1 else all_of(*conditions)


def _config(logger: Logger) -> Message:
    to = logger.to
    if isinstance(to, FileLog):
        if to.path == STDOUT:  # by path it cannot be opened by who was not there when it was
            return StdoutAccessLog(log_format=_format(to))
        return FileAccessLog(path=to.path, log_format=_format(to))
    return _grpc(to) if isinstance(to, GrpcLog) else _otel(to)


def _format(to: FileLog) -> SubstitutionFormatString:
    message = SubstitutionFormatString(omit_empty_values=to.omit_empty)
    if to.labels:
        message.json_format.CopyFrom(as_struct(to.labels))
    elif to.text or not to.json:
        message.text_format_source.inline_string = to.text or TEXT
    else:
        message.json_format.update(FIELDS)
    return message


def _grpc(to: GrpcLog) -> Message:
    common = CommonGrpcAccessLogConfig(log_name=to.log_name, transport_api_version=ApiVersion.V3)
    common.grpc_service.envoy_grpc.cluster_name = to.cluster
    common.filter_state_objects_to_log.extend(to.filter_state)
    if to.tcp:
        return TcpGrpcAccessLogConfig(common_config=common)
    return HttpGrpcAccessLogConfig(
        common_config=common,
        additional_request_headers_to_log=to.request_headers,
        additional_response_headers_to_log=to.response_headers,
        additional_response_trailers_to_log=to.response_trailers,
    )


def _otel(to: OtelLog) -> OpenTelemetryAccessLogConfig:
    message = OpenTelemetryAccessLogConfig(log_name=to.log_name)
    message.grpc_service.envoy_grpc.cluster_name = to.cluster
    message.body.string_value = to.text or TEXT.rstrip("\n")
    for name, value in to.labels:
        attribute = message.attributes.values.add(key=name)
        attribute.value.string_value = value
    return message


def _to_control_plane() -> CommonGrpcAccessLogConfig:
    message = CommonGrpcAccessLogConfig(log_name=RECORDED, transport_api_version=ApiVersion.V3)
    message.grpc_service.envoy_grpc.cluster_name = CONTROL_PLANE
    message.buffer_flush_interval.seconds = 1
    return message


def _share(key: str, percent: int) -> AccessLogFilter:
    """True for a share of entries: what the switch says in percent, else ``percent``."""
    message = AccessLogFilter()
    message.runtime_filter.runtime_key = key
    message.runtime_filter.percent_sampled.numerator = percent
    message.runtime_filter.use_independent_randomness = True
    return message


def _at_least(key: str, default: int, *, duration: bool = False) -> AccessLogFilter:
    return _compared(key, ComparisonFilter.GE, default, duration=duration)


def _compared(key: str, op: ComparisonFilter.Op, default: int, *, duration: bool = False) -> AccessLogFilter:
    """True where the status (or the duration) compares so to what the switch says, else to ``default``."""
    message = AccessLogFilter()
    comparison = message.duration_filter.comparison if duration else message.status_code_filter.comparison
    comparison.op = op
    comparison.value.default_value = default
    comparison.value.runtime_key = key
    return message
