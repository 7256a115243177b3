"""Locality in Envoy's words: whether the weights of localities count. The rest is said where endpoints are."""

from __future__ import annotations

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.translators.locality_failover.policy import LocalityPreference


def cluster(preference: LocalityPreference) -> Cluster:
    """The Cluster fragment: ``common_lb_config.locality_weighted_lb_config`` where shares are stated."""
    message = Cluster()
    shared = preference.distribute is not None and preference.enabled is not False
    if shared or preference.zones is not None:
        message.common_lb_config.locality_weighted_lb_config.SetInParent()
    return message
