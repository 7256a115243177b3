"""Connection pools: circuit breakers, retry budgets, lifetimes of connections, and the HTTP version spoken."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.connection_pools import envoy
from xds.translators.connection_pools.decode import (
    connection_pools,
    inbound_pools,
    ingress_pools,
    mesh_connection_pools,
)
from xds.translators.connection_pools.policy import DEFAULT, ConnectionLifetime, ConnectionPools
from xds.translators.feature import MESH_CONFIG, SIDECAR, SIDECAR_INGRESS, TRAFFIC_POLICY, Feature

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=ConnectionPools,
        reads=(
            "DestinationRule.spec.trafficPolicy.connectionPool",
            "DestinationRule.spec.trafficPolicy.retryBudget",
            "MeshConfig.defaultTrafficPolicy.connectionPool",
            "MeshConfig.tcpKeepalive",
            "MeshConfig.h2UpgradePolicy",
            "Sidecar.spec.inboundConnectionPool",
            "Sidecar.spec.ingress[].connectionPool",
        ),
        decode={
            TRAFFIC_POLICY: connection_pools,
            MESH_CONFIG: mesh_connection_pools,
            SIDECAR: inbound_pools,
            SIDECAR_INGRESS: ingress_pools,
        },
        cluster=envoy.cluster,
        cluster_default=DEFAULT,
        http_protocol_options=envoy.http_protocol_options,
        http2_protocol_options=envoy.http2_protocol_options,
    ),
    Feature(policy=ConnectionLifetime, tcp_proxy=envoy.tcp_proxy),
)

__all__ = ["DEFAULT", "FEATURES", "ConnectionLifetime", "ConnectionPools"]
