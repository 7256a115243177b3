"""Header edits: headers that are set, added and removed on requests and answers, for a route or for one share of it."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, HTTP_ROUTE_DESTINATION, Feature
from xds.translators.headers import envoy
from xds.translators.headers.decode import destination_headers, route_headers
from xds.translators.headers.policy import Edits, HeaderOperations

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=HeaderOperations,
        reads=("VirtualService.spec.http[].headers", "VirtualService.spec.http[].route[].headers"),
        decode={HTTP_ROUTE: route_headers, HTTP_ROUTE_DESTINATION: destination_headers},
        route=envoy.route,
        weighted_cluster=envoy.weighted_cluster,
    ),
)

__all__ = ["FEATURES", "Edits", "HeaderOperations"]
