"""Mirrors in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.translators.fractions import fractional_percent
from xds.translators.mirrors.policy import Mirrors
from xds.wire.codec import boolean


def route_action(mirrors: Mirrors) -> RouteAction:
    """The RouteAction fragment: ``request_mirror_policies``. Copies keep the Host header and are never traced."""
    message = RouteAction()
    for mirror in mirrors.mirrors:
        policy = message.request_mirror_policies.add()
        policy.cluster = mirror.cluster
        policy.runtime_fraction.default_value.CopyFrom(fractional_percent(mirror.share))
        policy.trace_sampled.CopyFrom(boolean(False))
        policy.disable_shadow_host_suffix_append = True
    return message
