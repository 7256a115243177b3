"""Reading ``directResponse`` of a VirtualService's route."""

from __future__ import annotations

import base64
import binascii

from xds.kinds.http_route import HTTPBody, HTTPRoute
from xds.model.refs import FieldRef
from xds.translators.direct_responses.policy import LONGEST_BODY, DirectResponse
from xds.translators.feature import Reading


def route_response(route: HTTPRoute, at: FieldRef, reading: Reading) -> DirectResponse | None:
    """The policy in ``directResponse``; None when the block is absent.

    Problems: direct-responses.base64, direct-responses.long. Source: istio networking/v1 HTTPDirectResponse.
    """
    spec = route.direct_response
    if spec is None:
        return None
    at = at / "directResponse"
    body = _body(spec.body, at / "body", reading) if spec.body is not None else b""
    if len(body) > LONGEST_BODY:
        reading.error(at / "body", "direct-responses.long", f"must have at most {LONGEST_BODY} bytes, has {len(body)}")
        body = b""
    return DirectResponse(spec.status, body)


def _body(spec: HTTPBody, at: FieldRef, reading: Reading) -> bytes:
    if spec.bytes is None:
        return (spec.string or "").encode()
    try:
        return base64.b64decode(spec.bytes, validate=True)
    except (binascii.Error, ValueError) as error:
        reading.error(at / "bytes", "direct-responses.base64", f"must be base64: {error}")
        return b""
