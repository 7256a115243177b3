"""Redirects: answers that send the client elsewhere."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import HTTP_ROUTE, Feature
from xds.translators.redirects import envoy
from xds.translators.redirects.decode import route_redirect
from xds.translators.redirects.policy import Redirect

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Redirect,
        reads=("VirtualService.spec.http[].redirect",),
        decode={HTTP_ROUTE: route_redirect},
        route=envoy.route,
    ),
)

__all__ = ["FEATURES", "Redirect"]
