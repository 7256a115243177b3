"""Tunnels: connections that reach their target through an HTTP proxy."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import TRAFFIC_POLICY, Feature
from xds.translators.tunneling import envoy
from xds.translators.tunneling.decode import tunneling
from xds.translators.tunneling.policy import Tunnel

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Tunnel,
        reads=("DestinationRule.spec.trafficPolicy.tunnel",),
        decode={TRAFFIC_POLICY: tunneling},
        tcp_proxy=envoy.tcp_proxy,
    ),
)

__all__ = ["FEATURES", "Tunnel"]
