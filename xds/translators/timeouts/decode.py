"""Reading ``timeout`` of a VirtualService's route."""

from __future__ import annotations

from xds.kinds.http_route import HTTPRoute
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.timeouts.policy import Timeout


def route_timeout(route: HTTPRoute, at: FieldRef, reading: Reading) -> Timeout | None:
    """The policy in ``timeout``; None when it is absent. ``0s`` is a policy too: no limit, whatever a wider scope says.

    Problems: timeouts.no-effect. Source: istio networking/v1 HTTPRoute.timeout.
    """
    if route.timeout is None:
        return None
    if route.timeout and (route.redirect is not None or route.direct_response is not None):
        reading.warning(at / "timeout", "timeouts.no-effect", "has no effect where the proxy answers itself")
    return Timeout(route.timeout)
