"""Reading ``headers`` of a VirtualService's route, and of one destination of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from xds.kinds import http_policies as structs
from xds.kinds.http_route import HTTPRoute, HTTPRouteDestination
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.headers.formats import fault
from xds.translators.headers.policy import NO_EDITS, Edits, HeaderOperations, Named, names_host

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00\r\n]")
_LONGEST: Final = 16_384  # core.v3.HeaderValue.value


def route_headers(route: HTTPRoute, at: FieldRef, reading: Reading) -> HeaderOperations | None:
    """The edits in ``headers`` of a route; None when there are none. ``set: {Host: ...}`` is a rewrite's business.

    Problems: headers.name, headers.value, headers.format, headers.length, headers.host, headers.pseudo, headers.twice.
    Source: istio networking/v1 Headers; envoy's http_conn_man/headers.
    """
    return _operations(route.headers, at / "headers", reading)


def destination_headers(share: HTTPRouteDestination, at: FieldRef, reading: Reading) -> HeaderOperations | None:
    """The edits in ``headers`` of one destination, made after the route's; None when there are none."""
    return _operations(share.headers, at / "headers", reading)


def _operations(spec: structs.Headers | None, at: FieldRef, reading: Reading) -> HeaderOperations | None:
    if spec is None:
        return None
    request, response = NO_EDITS, NO_EDITS
    if spec.request is not None:
        request = _edits(spec.request, at / "request", reading, host_is_rewritten=True)
    if spec.response is not None:
        response = _edits(spec.response, at / "response", reading, host_is_rewritten=False)
    found = HeaderOperations(request, response)
    return None if found == HeaderOperations() else found


def _edits(spec: structs.HeaderOperations, at: FieldRef, reading: Reading, *, host_is_rewritten: bool) -> Edits:
    replacing = spec.set
    if host_is_rewritten:
        replacing = {name: value for name, value in spec.set.items() if not names_host(name)}
    removed = [name for i, name in enumerate(spec.remove) if _check_name(name, at / "remove" / i, reading)]
    return Edits(
        remove=tuple(sorted({name.lower() for name in removed})),
        replace=_values(replacing, at / "set", reading),
        add=_values(spec.add, at / "add", reading),
    )


def _values(values: Mapping[str, str], at: FieldRef, reading: Reading) -> Named:
    found: dict[str, str] = {}
    for name in sorted(values):
        here = at.key(name)
        if not _check_name(name, here, reading):
            continue
        if name.lower() in found:
            reading.error(here, "headers.twice", "is there twice: case does not tell header names apart")
        if _CONTROL.search(values[name]):
            reading.error(here, "headers.value", "must not have line breaks or zero bytes in its value")
        elif len(values[name].encode()) > _LONGEST:
            reading.error(here, "headers.length", f"must have a value of at most {_LONGEST} bytes")
        elif why := fault(values[name]):
            reading.error(here, "headers.format", f"has a value that Envoy cannot format: {why}")
        found[name.lower()] = values[name]
    return tuple(sorted(found.items()))


def _check_name(name: str, at: FieldRef, reading: Reading) -> bool:
    if names_host(name):
        message = "cannot be edited so; `headers.request.set` of Host, or `rewrite.authority`, replaces it"
        reading.error(at, "headers.host", message)
    elif name.startswith(":"):
        reading.error(at, "headers.pseudo", f"{name!r} cannot be edited; `rewrite` changes paths")
    elif not _TOKEN.fullmatch(name):
        reading.error(at, "headers.name", f"must be a header name, is {name!r}")
    else:
        return True
    return False
