"""Reading ``redirect`` of a VirtualService's route."""

from __future__ import annotations

import re
from typing import Final

from xds.kinds.http_route import HTTPRedirect, HTTPRoute
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.redirects.policy import Redirect

_CONTROL: Final = re.compile(r"[\x00\r\n]")
_PORT_OF: Final = {"http": 80, "https": 443}
_EXCLUDED: Final = (("route", "route"), ("rewrite", "rewrite"), ("direct_response", "directResponse"))


def route_redirect(route: HTTPRoute, at: FieldRef, reading: Reading) -> Redirect | None:
    """The policy in ``redirect``; None when the block is absent.

    Problems: redirects.excluded, redirects.empty, redirects.two-paths, redirects.two-ports, redirects.scheme,
    redirects.value, redirects.request-port. Source: istio networking/v1 HTTPRedirect.
    """
    spec = route.redirect
    if spec is None:
        return None
    at = at / "redirect"
    for attribute, field in _EXCLUDED:
        if getattr(route, attribute):
            reading.error(at, "redirects.excluded", f"excludes {field}; leave one of them out")
    _check(spec, at, reading)
    return Redirect(
        status=spec.redirect_code or 301,
        scheme=spec.scheme,
        authority=spec.authority,
        port=_port(spec, at, reading),
        path="" if spec.prefix_rewrite else spec.uri,
        prefix=spec.prefix_rewrite,
    )


def _check(spec: HTTPRedirect, at: FieldRef, reading: Reading) -> None:
    values = {"uri": spec.uri, "prefixRewrite": spec.prefix_rewrite, "authority": spec.authority}
    if not (any(values.values()) or spec.scheme or spec.port or spec.derive_port):
        reading.error(at, "redirects.empty", "must change scheme, authority, port or path, or it leads to itself")
    if spec.uri and spec.prefix_rewrite:
        reading.error(at / "prefixRewrite", "redirects.two-paths", "excludes uri; leave one of them out")
    if spec.scheme and spec.scheme not in _PORT_OF:
        reading.error(at / "scheme", "redirects.scheme", f"must be http or https, is {spec.scheme!r}")
    for field, value in values.items():
        if _CONTROL.search(value):
            reading.error(at / field, "redirects.value", "must not have line breaks or zero bytes")


def _port(spec: HTTPRedirect, at: FieldRef, reading: Reading) -> int:
    if spec.port is not None and spec.derive_port is not None:
        reading.error(at / "derivePort", "redirects.two-ports", "excludes port; leave one of them out")
    if spec.derive_port == "FROM_REQUEST_PORT" and spec.authority:
        # Without an authority Envoy keeps the request's, port and all; with one it forgets the port.
        message = "has no effect beside authority; write the port"
        reading.warning(at / "derivePort", "redirects.request-port", message)
    if spec.port is None or spec.port == _PORT_OF.get(spec.scheme):
        return 0
    return spec.port
