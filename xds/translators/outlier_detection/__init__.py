"""Outlier detection: endpoints that fail are left out for a while."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import MESH_CONFIG, TRAFFIC_POLICY, Feature
from xds.translators.outlier_detection import envoy
from xds.translators.outlier_detection.decode import mesh_outlier_detection, outlier_detection
from xds.translators.outlier_detection.policy import OutlierDetection

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=OutlierDetection,
        reads=(
            "DestinationRule.spec.trafficPolicy.outlierDetection",
            "MeshConfig.defaultTrafficPolicy.outlierDetection",
        ),
        decode={TRAFFIC_POLICY: outlier_detection, MESH_CONFIG: mesh_outlier_detection},
        cluster=envoy.cluster,
        http_protocol_options=envoy.http_protocol_options,
    ),
)

__all__ = ["FEATURES", "OutlierDetection"]
