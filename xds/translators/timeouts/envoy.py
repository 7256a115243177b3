"""Timeouts in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.translators.timeouts.policy import Timeout
from xds.wire.codec import duration


def route_action(timeout: Timeout) -> RouteAction:
    """The RouteAction fragment: ``timeout``.

    No ``max_stream_duration``, though it could cut the deadline that a gRPC client states: with it Envoy 1.40 no longer
    heeds ``timeout``.
    """
    return RouteAction(timeout=duration(timeout.limit))
