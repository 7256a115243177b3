"""Mirrors: copies of requests that go elsewhere, and whose answers are thrown away."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, Feature
from xds.translators.mirrors import envoy
from xds.translators.mirrors.decode import route_mirrors
from xds.translators.mirrors.policy import Mirror, Mirrors

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Mirrors,
        reads=(
            "VirtualService.spec.http[].mirror",
            "VirtualService.spec.http[].mirrorPercentage",
            "VirtualService.spec.http[].mirrorPercent",
            "VirtualService.spec.http[].mirror_percent",
            "VirtualService.spec.http[].mirrors",
        ),
        decode={HTTP_ROUTE: route_mirrors},
        route_action=envoy.route_action,
    ),
)

__all__ = ["FEATURES", "Mirror", "Mirrors"]
