"""Rewrites: the path and the host that a forwarded request gets."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, HTTP_ROUTE_DESTINATION, Feature
from xds.translators.rewrites import envoy
from xds.translators.rewrites.decode import destination_host, route_host, route_path
from xds.translators.rewrites.policy import HostRewrite, PathRewrite

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=PathRewrite,
        reads=("VirtualService.spec.http[].rewrite.uri", "VirtualService.spec.http[].rewrite.uriRegexRewrite"),
        decode={HTTP_ROUTE: route_path},
        route_action=envoy.path,
    ),
    Feature(
        policy=HostRewrite,
        reads=(
            "VirtualService.spec.http[].rewrite.authority",
            "VirtualService.spec.http[].headers.request.set",
            "VirtualService.spec.http[].route[].headers.request.set",
        ),
        decode={HTTP_ROUTE: route_host, HTTP_ROUTE_DESTINATION: destination_host},
        route_action=envoy.host,
        weighted_cluster=envoy.host_of_share,
    ),
)

__all__ = ["FEATURES", "HostRewrite", "PathRewrite"]
