"""Reading ``corsPolicy`` of a VirtualService's route."""

from __future__ import annotations

import re
from typing import Final

from xds.kinds.http_policies import CorsPolicy
from xds.kinds.http_route import HTTPRoute
from xds.kinds.string_match import StringMatch as Struct
from xds.model.refs import FieldRef
from xds.model.route import Comparison, StringMatch
from xds.translators.cors.policy import Cors
from xds.translators.feature import Reading
from xds.translators.regex import refusal

ANY: Final = StringMatch(Comparison.EXACT, "*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LISTS: Final = (
    ("allowMethods", "allow_methods"),
    ("allowHeaders", "allow_headers"),
    ("exposeHeaders", "expose_headers"),
)


def route_cors(route: HTTPRoute, at: FieldRef, reading: Reading) -> Cors | None:
    """The policy in ``corsPolicy``; None when the block is absent.

    Problems: cors.origin, cors.regex, cors.two-lists, cors.name, cors.any-with-credentials.
    Source: istio networking/v1 CorsPolicy.
    """
    spec = route.cors_policy
    if spec is None:
        return None
    at = at / "corsPolicy"
    origins = _origins(spec, at, reading)
    for field, attribute in _LISTS:
        _check_names(getattr(spec, attribute), at / field, reading)
    if spec.allow_credentials and ANY in origins:
        message = "lets the pages of every origin call in the user's name; list the origins that may"
        reading.warning(at / "allowCredentials", "cors.any-with-credentials", message)
    return Cors(
        origins=origins,
        methods=spec.allow_methods,
        headers=spec.allow_headers,
        exposed=spec.expose_headers,
        max_age=spec.max_age,
        credentials=spec.allow_credentials,
        forward_unmatched=spec.unmatched_preflights != "IGNORE",
    )


def _origins(spec: CorsPolicy, at: FieldRef, reading: Reading) -> tuple[StringMatch, ...]:
    if not spec.allow_origins:
        return tuple(StringMatch(Comparison.EXACT, origin) for origin in spec.allow_origin)
    if spec.allow_origin:
        reading.warning(at / "allowOrigin", "cors.two-lists", "has no effect beside allowOrigins")
    found = (_origin(each, at / "allowOrigins" / i, reading) for i, each in enumerate(spec.allow_origins))
    return tuple(origin for origin in found if origin is not None)


def _origin(spec: Struct, at: FieldRef, reading: Reading) -> StringMatch | None:
    if spec.regex is not None:
        if why := refusal(spec.regex):
            reading.error(at / "regex", "cors.regex", f"must be an RE2 regular expression: {why}")
        return StringMatch(Comparison.REGEX, spec.regex)
    if spec.prefix:
        return StringMatch(Comparison.PREFIX, spec.prefix)
    if spec.exact:
        return StringMatch(Comparison.EXACT, spec.exact)
    reading.error(at, "cors.origin", "must have exact, prefix or regex")
    return None


def _check_names(names: tuple[str, ...], at: FieldRef, reading: Reading) -> None:
    for index, name in enumerate(names):
        if not _TOKEN.fullmatch(name):
            reading.error(at / index, "cors.name", f"must be a method or header name, is {name!r}")
