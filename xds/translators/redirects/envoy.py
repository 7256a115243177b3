"""Redirects in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import RedirectAction, Route
from xds.translators.redirects.policy import Redirect

_CODE: Final = {
    301: RedirectAction.MOVED_PERMANENTLY,
    302: RedirectAction.FOUND,
    303: RedirectAction.SEE_OTHER,
    307: RedirectAction.TEMPORARY_REDIRECT,
    308: RedirectAction.PERMANENT_REDIRECT,
}


def route(redirect: Redirect) -> Route:
    """The Route fragment: ``redirect``."""
    action = RedirectAction(
        host_redirect=redirect.authority,
        port_redirect=redirect.port,
        response_code=_CODE[redirect.status],
    )
    if redirect.scheme:
        action.scheme_redirect = redirect.scheme
    if redirect.regex:
        action.regex_rewrite.pattern.regex = redirect.regex
        action.regex_rewrite.substitution = redirect.substitution
    elif redirect.prefix:
        action.prefix_rewrite = redirect.prefix
    elif redirect.path:
        action.path_redirect = redirect.path
    return Route(redirect=action)
