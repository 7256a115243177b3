"""Sessions: a client goes on with the very endpoint that answered it first, by a cookie or a header."""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import SERVICE, Feature
from xds.translators.sessions import envoy
from xds.translators.sessions.decode import session
from xds.translators.sessions.policy import Session

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Session,
        reads=(
            'Service.metadata.labels["istio.io/persistent-session"]',
            'Service.metadata.labels["istio.io/persistent-session-header"]',
        ),
        decode={SERVICE: session},
        route=envoy.route,
        cluster=envoy.cluster,
        http_filter=envoy.FILTER,
    ),
)

__all__ = ["FEATURES", "Session"]
