"""Reading ``outlierDetection`` of a DestinationRule, and MeshConfig's default of it."""

from __future__ import annotations

from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.traffic_policy import OutlierDetection as Struct
from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.outlier_detection.policy import OutlierDetection


def outlier_detection(
    struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading
) -> OutlierDetection | None:
    """The policy in ``trafficPolicy.outlierDetection``; None when the block is absent.

    Problems: outlier-detection.consecutive-errors, outlier-detection.local-failures, outlier-detection.status.
    Source: istio networking/v1 OutlierDetection.
    """
    return _policy(struct.outlier_detection, at / "outlierDetection", reading)


def mesh_outlier_detection(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> OutlierDetection | None:
    """The policy in ``defaultTrafficPolicy.outlierDetection``; None when the block is absent."""
    below = spec.default_traffic_policy
    if below is None:
        return None
    return _policy(below.outlier_detection, at / "defaultTrafficPolicy.outlierDetection", reading)


def _policy(spec: Struct | None, at: FieldRef, reading: Reading) -> OutlierDetection | None:
    if spec is None:
        return None
    if spec.consecutive_errors:
        message = "is deprecated and not read; use consecutive5xxErrors or consecutiveGatewayErrors"
        reading.warning(at / "consecutiveErrors", "outlier-detection.consecutive-errors", message)
    if spec.consecutive_local_origin_failures and not spec.split_external_local_origin_errors:
        message = "has no effect without splitExternalLocalOriginErrors: true"
        reading.warning(at / "consecutiveLocalOriginFailures", "outlier-detection.local-failures", message)
    for index, status in enumerate(spec.outlier_detection_http_error_codes):
        if not 100 <= status <= 599:
            where = at / "outlierDetectionHttpErrorCodes" / index
            reading.error(where, "outlier-detection.status", f"must be an HTTP status of 100 to 599, is {status}")
    return OutlierDetection(
        consecutive_5xx=spec.consecutive_5xx_errors,
        consecutive_gateway_errors=spec.consecutive_gateway_errors,
        consecutive_local_failures=spec.consecutive_local_origin_failures,
        split_local_failures=spec.split_external_local_origin_errors,
        interval=spec.interval,
        ejection_time=spec.base_ejection_time,
        max_ejection_percent=spec.max_ejection_percent,
        min_health_percent=spec.min_health_percent,
        error_statuses=tuple(sorted(set(spec.outlier_detection_http_error_codes))),
    )
