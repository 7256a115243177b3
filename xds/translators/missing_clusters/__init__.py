"""Missing clusters: what is answered where a backend does not exist, or may not be used (Gateway API)."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import Feature
from xds.translators.missing_clusters import envoy
from xds.translators.missing_clusters.policy import MissingCluster

FEATURES: Final[tuple[Feature[Any], ...]] = (Feature(policy=MissingCluster, route_action=envoy.route_action),)

__all__ = ["FEATURES", "MissingCluster"]
