"""Reading RateLimits."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from xds.kinds.rate_limit import CountedBy, RateLimit, RateLimitService, RateLimitSpec, RequestMatch
from xds.kinds.rate_limit import Limit as LimitStruct
from xds.kinds.string_match import StringMatch as MatchStruct
from xds.model.gateway_api import GATEWAY_NAME, shortened
from xds.model.labels import Labels, labels
from xds.model.refs import FieldRef
from xds.model.route import Comparison, Destination, NamedMatch, StringMatch
from xds.translators.feature import Reading
from xds.translators.rate_limits.policy import SHORTEST, By, Limit, Limits, RateLimits, Service, Shared, Told
from xds.translators.regex import refusal

_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SECOND: Final = timedelta(seconds=1)
_PRESENT: Final = StringMatch(Comparison.PRESENT)
_TOLD: Final = {"identity": Told.IDENTITY, "address": Told.ADDRESS}


def rate_limits(struct: RateLimit, at: FieldRef, reading: Reading) -> RateLimits:
    """The limits of an object.

    Problems: rate-limit.name, rate-limit.requests, rate-limit.period, rate-limit.by, rate-limit.match,
    rate-limit.counted-by-service, rate-limit.shared-by-service.
    """
    spec = struct.spec
    shared = None
    if spec.share == "FLEET":
        shared = Shared(reading.namespace, _selectors(spec))
    if shared is not None and spec.service is not None:
        message = "excludes service: what one service counts is shared already; leave share out"
        reading.error(at / "share", "rate-limit.shared-by-service", message)
    known: dict[str, Limit] = {}
    for index, each in enumerate(spec.limits):
        here = at / "limits" / index
        if each.name in known or not _NAME.fullmatch(each.name):
            message = f"must be a word of letters, digits, '.', '_' and '-' that no other limit has, is {each.name!r}"
            reading.error(here / "name", "rate-limit.name", message)
        prefix = f"{at.object.namespace}/{at.object.name}"
        known[each.name] = _limit(each, prefix, counted=spec.service is not None, at=(here, reading))
    service = _service(spec.service, reading) if spec.service is not None else None
    return RateLimits((Limits(tuple(known.values()), shared, service),))


def _selectors(spec: RateLimitSpec) -> tuple[Labels, ...]:
    gateways = dict.fromkeys(shortened(each.name) for each in spec.target_refs if each.kind == "Gateway")
    if spec.target_refs:
        return tuple(labels({GATEWAY_NAME: name}) for name in gateways)
    return (labels(spec.selector.match_labels if spec.selector is not None else {}),)


def _service(struct: RateLimitService, reading: Reading) -> Service:
    target = Destination(reading.fqdn(struct.host), "", struct.port)
    return Service(target, struct.domain, struct.timeout or timedelta(milliseconds=100), struct.fail_closed)


def _limit(struct: LimitStruct, prefix: str, *, counted: bool, at: tuple[FieldRef, Reading]) -> Limit:
    here, reading = at
    _check_amount(struct, here, reading, counted=counted)
    requests = struct.requests or 0
    return Limit(
        name=f"{prefix}/{struct.name}",
        alternatives=tuple(_conditions(each, here / "match" / i, reading) for i, each in enumerate(struct.match)),
        by=tuple(_by(each, here / "by" / i, reading) for i, each in enumerate(struct.by)),
        requests=requests,
        burst=struct.burst or requests,
        period=struct.period or _SECOND,
        headers=struct.headers,
        dry_run=struct.dry_run,
    )


def _check_amount(struct: LimitStruct, at: FieldRef, reading: Reading, *, counted: bool) -> None:
    if counted:
        for field, value in (("requests", struct.requests), ("period", struct.period), ("burst", struct.burst)):
            if value is not None:
                message = "is the service's own to say; leave it out, or leave service out"
                reading.error(at / field, "rate-limit.counted-by-service", message)
        if struct.dry_run:
            message = "is the service's own to say; leave it out, or leave service out"
            reading.error(at / "dryRun", "rate-limit.counted-by-service", message)
    elif struct.requests is None:
        reading.error(at / "requests", "rate-limit.requests", "must be set: how many requests are taken in a period")
    if struct.period is not None and struct.period < SHORTEST:
        reading.error(at / "period", "rate-limit.period", "must be at least 50ms: Envoy fills no faster")


def _by(struct: CountedBy, at: FieldRef, reading: Reading) -> By:
    given = [name for name in ("header", "caller", "query_param") if getattr(struct, name)]
    if len(given) != 1:
        reading.error(at, "rate-limit.by", "must have exactly one of header, caller and queryParam")
    if struct.header and not _HEADER.fullmatch(struct.header):
        reading.error(at / "header", "rate-limit.by", f"must be the name of a header, is {struct.header!r}")
    if struct.caller is not None:
        return By(_TOLD[struct.caller])
    if struct.query_param:
        return By(Told.QUERY_PARAM, struct.query_param)
    return By(Told.HEADER, struct.header.lower())


def _conditions(struct: RequestMatch, at: FieldRef, reading: Reading) -> tuple[NamedMatch, ...]:
    pseudo = ((":path", "uri", struct.uri), (":method", "method", struct.method))
    found = [
        NamedMatch(header, _compared(match, at / field, reading))
        for header, field, match in (*pseudo, (":authority", "authority", struct.authority))
        if match is not None
    ]
    for name, match in sorted(struct.headers.items()):
        if not _HEADER.fullmatch(name):
            message = f"must be the name of a header, is {name!r}"
            reading.error((at / "headers").key(name), "rate-limit.match", message)
        found.append(NamedMatch(name.lower(), _compared(match, (at / "headers").key(name), reading)))
    if not found:
        reading.error(at, "rate-limit.match", "must have a condition; leave match out to count all requests")
    return tuple(found)


def _compared(struct: MatchStruct, at: FieldRef, reading: Reading) -> StringMatch:
    given = [name for name in ("exact", "prefix", "regex") if getattr(struct, name) is not None]
    if len(given) > 1:
        reading.error(at, "match.several", f"must have one of exact, prefix and regex, has {' and '.join(given)}")
    if struct.regex is not None:
        if why := refusal(struct.regex):
            reading.error(at / "regex", "regex.invalid", f"must be an RE2 regular expression: {why}")
        return StringMatch(Comparison.REGEX, struct.regex)
    if struct.prefix:
        return StringMatch(Comparison.PREFIX, struct.prefix)
    return StringMatch(Comparison.EXACT, struct.exact) if struct.exact is not None else _PRESENT
