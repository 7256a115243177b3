"""TLS to services, as the rules of their callers say; the mesh's own mutual TLS is the view's (view/auto_mtls.py)."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import TRAFFIC_POLICY, Feature
from xds.translators.upstream_tls import envoy
from xds.translators.upstream_tls.decode import upstream_tls
from xds.translators.upstream_tls.policy import Mode, UpstreamTls

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=UpstreamTls,
        reads=("DestinationRule.spec.trafficPolicy.tls",),
        decode={TRAFFIC_POLICY: upstream_tls},
        cluster=envoy.cluster,
        http_protocol_options=envoy.http_protocol_options,
    ),
)

__all__ = ["FEATURES", "Mode", "UpstreamTls"]
