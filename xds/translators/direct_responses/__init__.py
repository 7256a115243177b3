"""Direct responses: fixed answers that the proxy gives itself."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.direct_responses import envoy
from xds.translators.direct_responses.decode import route_response
from xds.translators.direct_responses.policy import BLOCKED, LONGEST_BODY, DirectResponse
from xds.translators.feature import HTTP_ROUTE, Feature

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=DirectResponse,
        reads=("VirtualService.spec.http[].directResponse",),
        decode={HTTP_ROUTE: route_response},
        route=envoy.route,
    ),
)

__all__ = ["BLOCKED", "FEATURES", "LONGEST_BODY", "DirectResponse"]
