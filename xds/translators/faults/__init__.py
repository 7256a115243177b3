"""Faults: delays and errors that are injected on purpose, to see what they do."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.faults import envoy
from xds.translators.faults.decode import route_faults
from xds.translators.faults.policy import Faults
from xds.translators.feature import HTTP_ROUTE, Feature, HttpFilter
from xds.translators.phases import Phase

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Faults,
        reads=("VirtualService.spec.http[].fault",),
        decode={HTTP_ROUTE: route_faults},
        route=envoy.route,
        http_filter=HttpFilter(Phase.FAULT, envoy.FILTER, envoy.filter_config),
    ),
)

__all__ = ["FEATURES", "Faults"]
