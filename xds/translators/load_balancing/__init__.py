"""Load balancing: which endpoint gets a request, and what keeps a caller on the same one."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import TRAFFIC_POLICY, Feature
from xds.translators.load_balancing import envoy
from xds.translators.load_balancing.decode import load_balancing
from xds.translators.load_balancing.policy import HashKey, LoadBalancing, Method

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=LoadBalancing,
        reads=(
            "DestinationRule.spec.trafficPolicy.loadBalancer.simple",
            "DestinationRule.spec.trafficPolicy.loadBalancer.consistentHash",
            "DestinationRule.spec.trafficPolicy.loadBalancer.warmup",
            "DestinationRule.spec.trafficPolicy.loadBalancer.warmupDurationSecs",
        ),
        decode={TRAFFIC_POLICY: load_balancing},
        cluster=envoy.cluster,
        cluster_default=LoadBalancing(),
    ),
    Feature(policy=HashKey, route_action=envoy.route_action, tcp_proxy=envoy.tcp_proxy),
)

__all__ = ["FEATURES", "HashKey", "LoadBalancing", "Method"]
