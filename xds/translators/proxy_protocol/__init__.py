"""PROXY protocol: the service learns the caller's address from a header before the first byte."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import TRAFFIC_POLICY, Feature
from xds.translators.proxy_protocol import envoy
from xds.translators.proxy_protocol.decode import proxy_protocol
from xds.translators.proxy_protocol.policy import ProxyProtocol

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=ProxyProtocol,
        reads=("DestinationRule.spec.trafficPolicy.proxyProtocol",),
        decode={TRAFFIC_POLICY: proxy_protocol},
        transport_socket=envoy.transport_socket,
    ),
)

__all__ = ["FEATURES", "ProxyProtocol"]
