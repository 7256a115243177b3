"""Timeouts in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.translators.timeouts.policy import Timeout
from xds.wire.codec import duration


def route_action(timeout: Timeout) -> RouteAction:
    """The RouteAction fragment: ``timeout``, and ``max_stream_duration`` for the deadline that a gRPC client states."""
    limit = duration(timeout.limit)
    return RouteAction(
        timeout=limit,
        max_stream_duration=RouteAction.MaxStreamDuration(grpc_timeout_header_max=limit),
    )
