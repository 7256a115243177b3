"""When an access logger logs: Envoy's access log filters, and how they are put together (config.accesslog.v3)."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLog,
    AccessLogFilter,
    LogTypeFilter,
    ResponseFlagFilter,
)
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from xds.api.envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from xds.wire.codec import pack

BEGIN: Final = AccessLogType.TcpUpstreamConnected
WHILE: Final = AccessLogType.TcpPeriodic
END: Final = AccessLogType.TcpConnectionEnd


def logger(name: str, config: Message, condition: AccessLogFilter | None = None) -> AccessLog:
    """The logger of that extension; without a condition it logs always."""
    return AccessLog(name=name, filter=condition, typed_config=pack(config))


def cel(expression: str) -> AccessLogFilter:
    """True where the expression is; what it reads and is not there counts as false."""
    message = AccessLogFilter()
    message.extension_filter.name = "cel"
    message.extension_filter.typed_config.CopyFrom(pack(ExpressionFilter(expression=expression)))
    return message


def flagged(*flags: str) -> AccessLogFilter:
    """True where the answer has one of these response flags, or any where none is named."""
    return AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=flags))


def at(moment: AccessLogType) -> AccessLogFilter:
    """True at that moment of a connection."""
    return AccessLogFilter(log_type_filter=LogTypeFilter(types=[moment]))


def all_of(*filters: AccessLogFilter) -> AccessLogFilter:
    """True where all are."""
    message = AccessLogFilter()
    message.and_filter.filters.extend(filters)
    return message


def any_of(*filters: AccessLogFilter) -> AccessLogFilter:
    """True where one is."""
    message = AccessLogFilter()
    message.or_filter.filters.extend(filters)
    return message
