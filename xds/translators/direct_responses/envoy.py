"""Direct responses in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.config.route.v3.route_components_pb2 import Route
from xds.translators.direct_responses.policy import DirectResponse


def route(response: DirectResponse) -> Route:
    """The Route fragment: ``direct_response``; the body is a string where it is UTF-8, which reads better in dumps."""
    message = Route()
    message.direct_response.status = response.status
    if response.body:
        try:
            message.direct_response.body.inline_string = response.body.decode()
        except UnicodeDecodeError:
            message.direct_response.body.inline_bytes = response.body
    return message
