"""Retries: which failed requests are tried again, how often, and where."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, MESH_CONFIG, Feature
from xds.translators.retries import envoy
from xds.translators.retries.decode import decode_retry, mesh_retries, route_retries
from xds.translators.retries.policy import DEFAULT, INBOUND_DEFAULT, RetryPolicy

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=RetryPolicy,
        reads=(
            "VirtualService.spec.http[].retries",
            "MeshConfig.defaultHttpRetryPolicy",
            "MeshConfig.defaultInboundHttpRetryPolicy",
        ),
        decode={HTTP_ROUTE: route_retries, MESH_CONFIG: mesh_retries},
        route_action=envoy.route_action,
        early_headers=envoy.kept_count,
    ),
)

__all__ = ["DEFAULT", "FEATURES", "INBOUND_DEFAULT", "RetryPolicy", "decode_retry"]
