"""Locality failover: near endpoints first, others when those fail; or fixed shares by locality."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import MESH_CONFIG, TRAFFIC_POLICY, Feature
from xds.translators.locality_failover import envoy
from xds.translators.locality_failover.decode import locality_failover, mesh_locality_failover
from xds.translators.locality_failover.policy import DEFAULT, LocalityPreference

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=LocalityPreference,
        reads=(
            "DestinationRule.spec.trafficPolicy.loadBalancer.localityLbSetting",
            "DestinationRule.spec.trafficPolicy.loadBalancer.zoneAwareLbSetting",
            "MeshConfig.localityLbSetting",
        ),
        decode={TRAFFIC_POLICY: locality_failover, MESH_CONFIG: mesh_locality_failover},
        cluster=envoy.cluster,
    ),
)

__all__ = ["DEFAULT", "FEATURES", "LocalityPreference"]
