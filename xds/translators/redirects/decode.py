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


def route_redirect(route: HTTPRoute, at: FieldRef, reading: Reading) -> Redirect | None:
    """The policy in ``redirect``; None when the block is absent.

    Problems: redirects.with-rewrite, redirects.empty, redirects.scheme, redirects.value, redirects.request-port.
    Source: istio networking/v1 HTTPRedirect.
    """
    spec = route.redirect
    if spec is None:
        return None
    at = at / "redirect"
    if route.rewrite is not None:
        reading.error(at, "redirects.with-rewrite", "excludes rewrite: nothing is forwarded; say the new path here")
    _check(spec, at, reading)
    return Redirect(
        status=spec.redirect_code or 301,
        scheme=spec.scheme,
        authority=spec.authority,
        port=_port(spec, at, reading),
        path=spec.uri,
        prefix=spec.prefix_rewrite,
    )


def _check(spec: HTTPRedirect, at: FieldRef, reading: Reading) -> None:
    values = {"uri": spec.uri, "prefixRewrite": spec.prefix_rewrite, "authority": spec.authority}
    if not (any(values.values()) or spec.scheme or spec.port or spec.derive_port):
        reading.error(at, "redirects.empty", "must change scheme, authority, port or path, or it leads to itself")
    if spec.scheme and spec.scheme not in _PORT_OF:
        reading.error(at / "scheme", "redirects.scheme", f"must be http or https, is {spec.scheme!r}")
    for field, value in values.items():
        if _CONTROL.search(value):
            reading.error(at / field, "redirects.value", "must not have line breaks or zero bytes")


def _port(spec: HTTPRedirect, at: FieldRef, reading: Reading) -> int:
    if spec.derive_port == "FROM_REQUEST_PORT" and spec.authority:
        # Without an authority Envoy keeps the request's, port and all; with one it forgets the port.
        message = "has no effect beside authority; write the port"
        reading.warning(at / "derivePort", "redirects.request-port", message)
    if spec.port is None or spec.port == _PORT_OF.get(spec.scheme):
        return 0
    return spec.port
