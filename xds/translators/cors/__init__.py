"""CORS: which pages of other origins may call, as browsers are told."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.cors import envoy
from xds.translators.cors.decode import route_cors
from xds.translators.cors.policy import Cors
from xds.translators.feature import HTTP_ROUTE, Feature, HttpFilter
from xds.translators.phases import Phase

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Cors,
        reads=("VirtualService.spec.http[].corsPolicy",),
        decode={HTTP_ROUTE: route_cors},
        route=envoy.route,
        http_filter=HttpFilter(Phase.CORS, envoy.FILTER, envoy.filter_config),
    ),
)

__all__ = ["FEATURES", "Cors"]
