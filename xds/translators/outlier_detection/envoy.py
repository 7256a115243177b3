"""Outlier detection in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.cluster.v3 import outlier_detection_pb2
from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.common.matcher.v3.matcher_pb2 import MatchPredicate
from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from xds.translators.outlier_detection.policy import OutlierDetection
from xds.wire.codec import duration

# Envoy's own 10 % ejects nothing of fewer than 10 hosts. Half lets one of two go, and never the only one.
_MAX_EJECTION_PERCENT: Final = 50
# Where fewer are left than this, all are used again: the least that Envoy takes, so that the last one is never out.
_ALL_OUT: Final = 1


def cluster(policy: OutlierDetection) -> Cluster:
    """The Cluster fragment: ``outlier_detection``, and ``common_lb_config.healthy_panic_threshold``.

    Ejection by success rate stays off, as in Istio: it surprises services that are called little.
    """
    message = Cluster()
    message.common_lb_config.healthy_panic_threshold.value = max(policy.min_health_percent, _ALL_OUT)
    detection = message.outlier_detection
    detection.enforcing_success_rate.value = 0
    detection.max_ejection_percent.value = policy.max_ejection_percent or _MAX_EJECTION_PERCENT
    if policy.interval is not None:
        detection.interval.CopyFrom(duration(policy.interval))
    if policy.ejection_time is not None:
        detection.base_ejection_time.CopyFrom(duration(policy.ejection_time))
    if policy.consecutive_5xx is not None:
        detection.consecutive_5xx.value = policy.consecutive_5xx
        detection.enforcing_consecutive_5xx.value = _enforcing(policy.consecutive_5xx)
    if policy.consecutive_gateway_errors is not None:
        detection.consecutive_gateway_failure.value = policy.consecutive_gateway_errors
        detection.enforcing_consecutive_gateway_failure.value = _enforcing(policy.consecutive_gateway_errors)
    if policy.split_local_failures:
        _spell_local(policy, detection)
    return message


def _spell_local(policy: OutlierDetection, into: outlier_detection_pb2.OutlierDetection) -> None:
    into.split_external_local_origin_errors = True
    into.enforcing_local_origin_success_rate.value = 0
    if policy.consecutive_local_failures is not None:
        into.consecutive_local_origin_failure.value = policy.consecutive_local_failures
        into.enforcing_consecutive_local_origin_failure.value = _enforcing(policy.consecutive_local_failures)


def _enforcing(count: int) -> int:
    return 100 if count else 0


def http_protocol_options(policy: OutlierDetection) -> HttpProtocolOptions:
    """The HttpProtocolOptions fragment: ``outlier_detection.error_matcher``, where statuses are named."""
    message = HttpProtocolOptions()
    if not policy.error_statuses:
        return message
    rules = [_status(status) for status in policy.error_statuses]
    matcher = message.outlier_detection.error_matcher
    if len(rules) == 1:
        matcher.CopyFrom(rules[0])
    else:
        matcher.or_match.rules.extend(rules)
    return message


def _status(status: int) -> MatchPredicate:
    message = MatchPredicate()
    header = message.http_response_headers_match.headers.add(name=":status")
    header.string_match.exact = str(status)
    return message
