"""The match conditions of an HTTP route."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from xds.decoders.regex import check_regex
from xds.kinds.http_route import HTTPMatchRequest
from xds.kinds.string_match import StringMatch as Struct
from xds.model.labels import labels
from xds.model.refs import FieldRef
from xds.model.route import Comparison, Match, NamedMatch, RequestMatch, SourceMatch, StringMatch
from xds.translators.feature import Reading

PRESENT = StringMatch(Comparison.PRESENT)
_PSEUDO = (("scheme", ":scheme"), ("method", ":method"), ("authority", ":authority"))
_HEADER = re.compile(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLAIM = "@request.auth.claims"


def match(struct: HTTPMatchRequest, at: FieldRef, reading: Reading) -> Match:
    """One alternative of a route's ``match``."""
    path = string_match(struct.uri, at / "uri", reading) if struct.uri is not None else None
    if path is PRESENT:
        path = None
    if struct.ignore_uri_case and path is not None and path.comparison is Comparison.REGEX:
        reading.warning(at / "ignoreUriCase", "match.ignore-case", "has no effect on a regex; write (?i) in the regex")
    return Match(
        request=RequestMatch(
            path=path,
            ignore_case=struct.ignore_uri_case and path is not None and path.comparison is not Comparison.REGEX,
            headers=tuple(_headers(struct, at, reading)),
            queries=tuple(_named(struct.query_params, at / "queryParams", reading)),
        ),
        source=SourceMatch(
            port=struct.port,
            namespace=struct.source_namespace,
            labels=labels(struct.source_labels),
            gateways=struct.gateways,
        ),
        name=struct.name,
        stat_prefix=struct.stat_prefix,
        stated=at.path,
    )


def _headers(struct: HTTPMatchRequest, at: FieldRef, reading: Reading) -> Iterator[NamedMatch]:
    for field, header in _PSEUDO:
        condition: Struct | None = getattr(struct, field)
        if condition is not None:
            yield NamedMatch(header, string_match(condition, at / field, reading))
    yield from _named(struct.headers, at / "headers", reading, lower=True)
    yield from _named(struct.without_headers, at / "withoutHeaders", reading, lower=True, invert=True)


def _named(
    conditions: Mapping[str, Struct], at: FieldRef, reading: Reading, *, lower: bool = False, invert: bool = False
) -> Iterator[NamedMatch]:
    for name in sorted(conditions):
        here = at.key(name)
        if lower and name.startswith(_CLAIM):
            message = "is not read by this version: no request has such a header"
            reading.warning(here, "match.claims", message)
        elif not (_HEADER.fullmatch(name) if lower else name.strip()):
            what = "the name of a header" if lower else "a name"
            reading.error(here, "match.name", f"must be {what}, is {name!r}")
            continue
        yield NamedMatch(name.lower() if lower else name, string_match(conditions[name], here, reading), invert)


def string_match(struct: Struct, at: FieldRef, reading: Reading) -> StringMatch:
    """One comparison; none given asks for presence, as does the regex ``*``."""
    given = [name for name in ("exact", "prefix", "regex") if getattr(struct, name) is not None]
    if not given:
        return PRESENT
    if len(given) > 1:
        reading.error(at, "match.several", f"must have one of exact, prefix and regex, has {' and '.join(given)}")
    if struct.exact is not None:
        return StringMatch(Comparison.EXACT, struct.exact)
    if struct.prefix is not None:
        return StringMatch(Comparison.PREFIX, struct.prefix) if struct.prefix else PRESENT
    assert struct.regex is not None
    if struct.regex == "*":
        return PRESENT
    check_regex(struct.regex, at / "regex", reading)
    return StringMatch(Comparison.REGEX, struct.regex)
