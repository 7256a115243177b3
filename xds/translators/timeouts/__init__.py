"""Timeouts: how long a whole request may take."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, Feature
from xds.translators.timeouts import envoy
from xds.translators.timeouts.decode import route_timeout
from xds.translators.timeouts.policy import DEFAULT, Timeout

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Timeout,
        reads=("VirtualService.spec.http[].timeout",),
        decode={HTTP_ROUTE: route_timeout},
        route_action=envoy.route_action,
    ),
)

__all__ = ["DEFAULT", "FEATURES", "Timeout"]
