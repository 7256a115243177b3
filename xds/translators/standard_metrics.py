"""The access loggers that count: Istio's standard metrics, by names and labels, in Envoy's own statistics.

They stand in every chain, whatever the policies, and are the same bytes for all proxies: what differs is
looked up in the proxy's environment and, when a request is over, in the metadata of the cluster and of the endpoint.
Labels of what there is not (an endpoint that was never chosen) are empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final

from xds.api.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter
from xds.api.envoy.extensions.access_loggers.stats.v3 import stats_pb2
from xds.model.standard_metrics import NODE_LABELS, SCOPE, UNKNOWN, Metric, node_labels, variable
from xds.model.told_metrics import SEPARATOR
from xds.translators.log_conditions import BEGIN, END, all_of, at, cel
from xds.view.cluster_sets import CLUSTER
from xds.view.specs.listeners import Chain, ServerTls
from xds.view.specs.observed import Counted
from xds.wire.codec import pack

MAX_COUNTERS: Final = 2000
MAX_HISTOGRAMS: Final = 500
"""Bounds on what one Envoy counts: both hold for all its loggers together. What nobody adds to is evicted."""

Histogram = stats_pb2.Config.Histogram
Labels = tuple[tuple[str, str], ...]

_ISTIO: Final = "istio"
# Keys of endpoints' metadata: there are many endpoints.
_SHORT: Final = {"canonical_service": "service", "canonical_revision": "revision"}
_GRPC: Final = (
    "%CEL('content-type' in request.headers && "
    "request.headers['content-type'].startsWith('application/grpc') ? 'grpc' : 'http')%"
)
_STRING: Final = "string("
# Envoy sets it when a connection to the server is there; what was never opened is not closed either.
WAS_OPENED: Final = "has(upstream.local_address)"


class Reporter(Enum):
    """Who counts a call: its source, as gateways are of what they send on, or its server, whose caller proves itself or
    does not.
    """

    SOURCE = "source"
    PROVEN = "destination, mutual TLS"
    PLAIN = "destination, plaintext"


def reporter(chain: Chain, *, outbound: bool) -> Reporter:
    """Who the proxy is in calls over that chain of a listener of that direction."""
    if outbound:
        return Reporter.SOURCE
    return Reporter.PROVEN if isinstance(chain.tls, ServerTls) else Reporter.PLAIN


def of_endpoint(workload: str, labels: Mapping[str, str]) -> dict[str, str]:
    """What an endpoint's metadata tell of its workload, for labels of metrics: those that are known.

    Labels of a WorkloadEntry are any text. What separates fields is not in them: one's version could else tell callers'
    control plane of another certificate.
    """
    told = node_labels(labels, workload, "", labels.get(CLUSTER, ""))
    return {_SHORT.get(name, name): value.replace(SEPARATOR, "_") for name, value in told.items() if value != UNKNOWN}


@cache
def http_loggers(reporter: Reporter, counted: tuple[Counted, ...] = ()) -> tuple[AccessLog, ...]:
    """The loggers of an HTTP chain, with what is ``counted`` in another way."""
    always = (*_both_sides(reporter), ("request_protocol", _GRPC))
    outcome = (
        ("response_code", "%RESPONSE_CODE%"),
        ("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
        ("response_flags", "%RESPONSE_FLAGS%"),
    )
    made = _Stats(counted)
    made.add_counter(Metric.REQUEST_COUNT, (*always, *outcome))
    # Histograms do not say how requests ended: each would be tens of series more for each code.
    made.add_histogram(Metric.REQUEST_DURATION, always, Histogram.Unit.Milliseconds, "%DURATION%")
    made.add_histogram(Metric.REQUEST_SIZE, always, Histogram.Unit.Bytes, "%BYTES_RECEIVED%")
    made.add_histogram(Metric.RESPONSE_SIZE, always, Histogram.Unit.Bytes, "%BYTES_SENT%")
    return made.loggers()


@cache
def tcp_loggers(reporter: Reporter, counted: tuple[Counted, ...] = ()) -> tuple[AccessLog, ...]:
    """The loggers of a TCP chain, to be run when a connection to the server is there, and when it is over."""
    labels = (*_both_sides(reporter), ("request_protocol", "tcp"))
    opened, closed = _Stats(counted), _Stats(counted)
    opened.add_counter(Metric.TCP_OPENED_CONNECTIONS, labels)
    closed.add_counter(Metric.TCP_CLOSED_CONNECTIONS, labels)
    closed.add_counter(Metric.TCP_SENT_BYTES, labels, "%BYTES_SENT%")
    closed.add_counter(Metric.TCP_RECEIVED_BYTES, labels, "%BYTES_RECEIVED%")
    begin, end = at(BEGIN), at(END)
    return (*opened.loggers(begin), *closed.loggers(all_of(end, cel(WAS_OPENED))))


def _both_sides(reporter: Reporter) -> Labels:
    of_service = (
        ("destination_service", f"%CLUSTER_METADATA({_ISTIO}:host)%"),
        ("destination_service_name", f"%CLUSTER_METADATA({_ISTIO}:name)%"),
        ("destination_service_namespace", f"%CLUSTER_METADATA({_ISTIO}:namespace)%"),
    )
    if reporter is Reporter.SOURCE:
        return (
            ("reporter", "source"),
            *_own("source"),
            ("source_principal", "%UPSTREAM_LOCAL_URI_SAN%"),
            *_of_endpoint(),
            ("destination_principal", "%UPSTREAM_PEER_URI_SAN%"),
            *of_service,
            ("connection_security_policy", "unknown"),  # as Istio has it
        )
    mutual_tls = reporter is Reporter.PROVEN
    return (
        ("reporter", "destination"),
        *_unknown(),
        ("source_principal", "%DOWNSTREAM_PEER_URI_SAN%" if mutual_tls else "unknown"),
        *_own("destination"),
        ("destination_principal", "%DOWNSTREAM_LOCAL_URI_SAN%" if mutual_tls else "unknown"),
        *of_service,
        ("connection_security_policy", "mutual_tls" if mutual_tls else "none"),
    )


def _own(side: str) -> Labels:
    """The labels of the proxy's own workload."""
    return tuple((f"{side}_{name}", f"%ENVIRONMENT({variable(name)})%") for name in NODE_LABELS)


def _of_endpoint() -> Labels:
    """The labels of the server's workload, as its endpoint tells them; its namespace is that of its service."""
    told = {name: f"%UPSTREAM_METADATA({_ISTIO}:{_SHORT.get(name, name)})%" for name in NODE_LABELS}
    told["workload_namespace"] = f"%CLUSTER_METADATA({_ISTIO}:namespace)%"
    return tuple((f"destination_{name}", value) for name, value in told.items())


def _unknown() -> Labels:
    """Of a caller only its identity is known: nothing but that travels with a call."""
    return tuple((f"source_{name}", "unknown") for name in NODE_LABELS)


class _Stats:
    """A logger that is being made: metrics that are switched off are left out."""

    def __init__(self, counted: tuple[Counted, ...]) -> None:
        self._config = stats_pb2.Config()
        scope = self._config.stats_scope
        scope.sharing_name = SCOPE
        scope.enable_eviction = True
        scope.max_counters.value, scope.max_histograms.value = MAX_COUNTERS, MAX_HISTOGRAMS
        self._otherwise = {each.metric: each for each in counted}

    def loggers(self, condition: AccessLogFilter | None = None) -> tuple[AccessLog, ...]:
        """The logger, to be run where the condition holds; none where it would count nothing."""
        if not self._config.counters and not self._config.histograms:
            return ()
        return (AccessLog(name=SCOPE, filter=condition, typed_config=pack(self._config)),)

    def add_counter(self, metric: Metric, labels: Labels, value: str = "") -> None:
        """Count ``value`` (a number as a format), or 1."""
        if self._is_off(metric):
            return
        counter = self._config.counters.add()
        self._spell_stat(counter.stat, metric, labels)
        if value:
            counter.value_format = value
        else:
            counter.value_fixed.value = 1

    def add_histogram(self, metric: Metric, labels: Labels, unit: stats_pb2.Config.Histogram.Unit, value: str) -> None:
        """Have each ``value`` in a histogram."""
        if not self._is_off(metric):
            self._spell_stat(self._config.histograms.add(unit=unit, value_format=value).stat, metric, labels)

    def _is_off(self, metric: Metric) -> bool:
        return metric.name in self._otherwise and self._otherwise[metric.name].disabled

    def _spell_stat(self, stat: stats_pb2.Config.Stat, metric: Metric, labels: Labels) -> None:
        stat.name = metric.value
        spelled = dict(labels)
        if metric.name in self._otherwise:
            for name, expression in self._otherwise[metric.name].labels:
                spelled.pop(name, None)
                if expression is not None:
                    spelled[name] = f"%CEL({_without_string(expression)})%"
        stat.tags.extend(stats_pb2.Config.Tag(name=name, value_format=value) for name, value in spelled.items())


def _without_string(expression: str) -> str:
    """What is within ``string(...)``: Istio's CEL has that conversion, Envoy's has not, and all values become texts."""
    inner = expression.strip()
    if not inner.startswith(_STRING) or not inner.endswith(")"):
        return expression
    inner, depth = inner[len(_STRING) : -1], 0
    for each in inner:
        depth += (each == "(") - (each == ")")
        if depth < 0:
            return expression
    return inner
