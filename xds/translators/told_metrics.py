"""The access loggers that count for the control plane: fewer numbers than Prometheus sees, and short, as they are sent.

They count beside those of the standard metrics, whatever a Telemetry says of these: one text instead of some twenty
labels, which takes a tenth of the bytes of a flush and of the time of a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from xds.api.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter
from xds.api.envoy.extensions.access_loggers.stats.v3 import stats_pb2
from xds.model.told_metrics import LABEL, Side, Told, text
from xds.translators.log_conditions import BEGIN, END, all_of, at, cel, logger
from xds.translators.standard_metrics import WAS_OPENED, Reporter

MAX_COUNTERS: Final = 2000
MAX_HISTOGRAMS: Final = 250
"""Bounds on what one Envoy counts for its control plane. What nobody adds to is evicted."""

Histogram = stats_pb2.Config.Histogram

_SCOPE: Final = "told"
_SIDES: Final = {Reporter.SOURCE: Side.SOURCE, Reporter.PROVEN: Side.PROVEN, Reporter.PLAIN: Side.PLAIN}
_SERVICE: Final = {
    "host": "%CLUSTER_METADATA(istio:host)%",
    "name": "%CLUSTER_METADATA(istio:name)%",
    "namespace": "%CLUSTER_METADATA(istio:namespace)%",
}
_ENDPOINT: Final = {"workload": "%UPSTREAM_METADATA(istio:workload)%", "version": "%UPSTREAM_METADATA(istio:version)%"}
_SERVER: Final = {"principal": "%UPSTREAM_PEER_URI_SAN%"}
_CALLER: Final = {"principal": "%DOWNSTREAM_PEER_URI_SAN%"}
_STATUS: Final = {"status": "%GRPC_STATUS_NUMBER%"}
_OUTCOME: Final = {"code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%"}
_GRPC: Final = "application/grpc"
_RECEIVED: Final = "%BYTES_RECEIVED%"
_SENT: Final = "%BYTES_SENT%"


@cache
def http_loggers(reporter: Reporter) -> tuple[AccessLog, ...]:
    """The loggers of an HTTP chain: of gRPC, and of all else."""
    of_grpc = _count_requests(reporter, "grpc", _OUTCOME | _STATUS)
    of_others = _count_requests(reporter, "http", _OUTCOME)
    # Other than CEL in each text, a filter for all costs a request next to nothing.
    return (logger(_SCOPE, of_grpc, _content(grpc=True)), logger(_SCOPE, of_others, _content(grpc=False)))


def _count_requests(reporter: Reporter, protocol: str, outcome: Mapping[str, str]) -> stats_pb2.Config:
    call = _call(reporter, protocol)
    config = _config()
    _count(config, Told.REQUESTS, text({**call, **outcome, **_proof(reporter)}))
    _count(config, Told.RECEIVED, text(call), _RECEIVED)
    _count(config, Told.SENT, text(call), _SENT)
    duration = config.histograms.add(unit=Histogram.Unit.Milliseconds, value_format="%DURATION%")
    _spell(duration.stat, Told.DURATION, text(call))
    return config


def _content(*, grpc: bool) -> AccessLogFilter:
    """True of requests whose content is gRPC's, or of those whose content is not."""
    made = AccessLogFilter()
    header = made.header_filter.header
    header.name, header.string_match.prefix = "content-type", _GRPC
    header.invert_match = header.treat_missing_header_as_empty = not grpc
    return made


@cache
def tcp_loggers(reporter: Reporter) -> tuple[AccessLog, ...]:
    """The loggers of a TCP chain, to be run when a connection to the server is there, and when it is over."""
    call = _call(reporter, "tcp")
    opened, closed = _config(), _config()
    _count(opened, Told.OPENED, text(call | _proof(reporter)))
    _count(closed, Told.CLOSED, text(call))
    _count(closed, Told.RECEIVED, text(call), _RECEIVED)
    _count(closed, Told.SENT, text(call), _SENT)
    over: AccessLogFilter = all_of(at(END), cel(WAS_OPENED))
    return (logger(_SCOPE, opened, at(BEGIN)), logger(_SCOPE, closed, over))


def _call(reporter: Reporter, protocol: str) -> dict[str, str]:
    """Who called whom, as the reporter knows it: a server knows its own workload, and tells it once."""
    other = {Reporter.SOURCE: _ENDPOINT, Reporter.PROVEN: _CALLER, Reporter.PLAIN: {}}[reporter]
    return {"side": _SIDES[reporter].of(protocol), **_SERVICE, **other}


def _proof(reporter: Reporter) -> dict[str, str]:
    """At the source, where it is asked once whether the server has proven who it is."""
    return _SERVER if reporter is Reporter.SOURCE else {}


def _config() -> stats_pb2.Config:
    config = stats_pb2.Config()
    scope = config.stats_scope
    scope.sharing_name = _SCOPE
    scope.enable_eviction = True
    scope.max_counters.value, scope.max_histograms.value = MAX_COUNTERS, MAX_HISTOGRAMS
    return config


def _count(config: stats_pb2.Config, metric: Told, label: str, value: str = "") -> None:
    """Count ``value`` (a number as a format), or 1."""
    counter = config.counters.add()
    _spell(counter.stat, metric, label)
    if value:
        counter.value_format = value
    else:
        counter.value_fixed.value = 1


def _spell(stat: stats_pb2.Config.Stat, metric: Told, label: str) -> None:
    stat.name = metric.value
    stat.tags.add(name=LABEL, value_format=label)
