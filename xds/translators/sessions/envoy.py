"""Sessions in Envoy's words: the filter, what a route tells it, and which endpoints a session may keep."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.health_check_pb2 import HealthStatus
from xds.api.envoy.config.route.v3.route_components_pb2 import Route
from xds.api.envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import (
    StatefulSession,
    StatefulSessionPerRoute,
)
from xds.api.envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from xds.api.envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState
from xds.translators.feature import HttpFilter
from xds.translators.phases import Phase
from xds.translators.sessions.policy import Session
from xds.wire.codec import pack

_NAME: Final = "envoy.filters.http.stateful_session"
FILTER: Final = HttpFilter(Phase.SESSION, _NAME, StatefulSession)
_KEEPING: Final = (HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.DRAINING)


def route(session: Session) -> Route:
    """The Route fragment: ``typed_per_filter_config`` of the session filter."""
    per_route = StatefulSessionPerRoute()
    state = per_route.stateful_session.session_state
    if session.header:
        state.name = "envoy.http.stateful_session.header"
        state.typed_config.CopyFrom(pack(HeaderBasedSessionState(name=session.header)))
    else:
        cookie = CookieBasedSessionState()
        cookie.cookie.name, cookie.cookie.path = session.cookie, session.path
        state.name = "envoy.http.stateful_session.cookie"
        state.typed_config.CopyFrom(pack(cookie))
    message = Route()
    message.typed_per_filter_config[_NAME].CopyFrom(pack(per_route))
    return message


def cluster(session: Session) -> Cluster:
    """The Cluster fragment: sessions go on with endpoints that are on their way out."""
    del session
    message = Cluster()
    message.common_lb_config.override_host_status.statuses.extend(_KEEPING)
    return message
