"""HTTPRoutes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from xds.decoders.gateway_api.filters import UNSUPPORTED, Filtered, decode_filters
from xds.decoders.gateway_api.references import backend, unheeded
from xds.decoders.gateway_api.routes import route_rows
from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api import http_route as structs
from xds.model.gateway_api import Backend, Fault, Rule
from xds.model.policy import Policy
from xds.model.route import Comparison, HttpRoute, Match, NamedMatch, RequestMatch, StringMatch
from xds.translators.feature import Reading
from xds.translators.regex import refusal
from xds.translators.retries.policy import PROVEN_UNEXECUTED, RetryPolicy
from xds.translators.timeouts.policy import Timeout

_COMPARISON: Final = {"Exact": Comparison.EXACT, "RegularExpression": Comparison.REGEX}
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHOD: Final = re.compile(r"[A-Z]+")
_NOT_IN_A_PREFIX: Final = re.compile(r"[?#\s]")
_ATTEMPTS: Final = 2
_ZERO: Final = timedelta(0)


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of an HTTPRoute."""
    spec: structs.HTTPRouteSpec = authored.struct.spec
    rules: list[Rule] = []
    for index, rule in enumerate(spec.rules):
        path = f"spec.rules.{index}"
        at_session = authored.spec / "rules" / index / "sessionPersistence"
        unheeded(at_session, authored.reading, rule.session_persistence, "sessions are balanced like all else")
        backends = shares(rule.backend_refs, f"{path}.backendRefs", authored.reading)
        for count, each in enumerate(rule.matches or (structs.HTTPRouteMatch(),)):
            stated = ("spec", "rules", index, *(("matches", count) if rule.matches else ()))
            at = _At(path, f"{path}.matches.{count}", rule.name or str(index), stated)
            rules.append(_rule(rule, at, each, backends, authored.reading))
    yield from route_rows(authored, spec.parent_refs, spec.hostnames, rules)


class _At(NamedTuple):
    """Where a rule and one of its matches stand, and what it is called: its name, or its place; its match as a path."""

    rule: str
    match: str
    name: str
    stated: tuple[str | int, ...]


def _rule(
    rule: structs.HTTPRouteRule,
    at: _At,
    wanted: structs.HTTPRouteMatch,
    to: tuple[tuple[Backend, ...], tuple[Fault, ...]],
    reading: Reading,
) -> Rule:
    path, here, name, stated = at
    faults: list[Fault] = []
    matched = _match(wanted, here, faults)
    prefix = matched.path.value if matched.path is not None and matched.path.comparison is Comparison.SEGMENTS else None
    if matched.path is None and wanted.path.type == "PathPrefix":
        prefix = "/"
    filtered = Filtered(reading, prefix)
    decode_filters(rule.filters, f"{path}.filters", filtered)
    policies = filtered.policies.adding(*_resilience(rule))
    backends, of_shares = to
    return Rule(
        backends=backends,
        http=HttpRoute(name, (Match(matched, stated=stated),), (), policies),
        mirrors=tuple(filtered.mirrors),
        faults=(*faults, *filtered.faults, *of_shares),
        dropped=bool(faults),
    )


def shares(
    found: Iterable[structs.HTTPBackendRef], path: str, reading: Reading
) -> tuple[tuple[Backend, ...], tuple[Fault, ...]]:
    """The backends of a rule with what is done to each share, and what of that cannot be carried out."""
    backends: list[Backend] = []
    faults: list[Fault] = []
    for index, each in enumerate(found):
        filtered = Filtered(reading, None)
        decode_filters(each.filters, f"{path}.{index}.filters", filtered, of_share=True)
        faults += filtered.faults
        backends.append(backend(each, f"{path}.{index}", reading, filtered.policies))
    return tuple(backends), tuple(faults)


def _match(wanted: structs.HTTPRouteMatch, path: str, faults: list[Fault]) -> RequestMatch:
    method = (NamedMatch(":method", StringMatch(Comparison.EXACT, wanted.method)),) if wanted.method else ()
    if wanted.method and not _METHOD.fullmatch(wanted.method):
        faults.append(Fault(UNSUPPORTED, f"{path}.method", f"must be a method, is {wanted.method!r}"))
    return RequestMatch(
        path=_path(wanted.path, f"{path}.path", faults),
        headers=(*method, *named(wanted.headers, f"{path}.headers", faults, lower=True)),
        queries=tuple(named(wanted.query_params, f"{path}.queryParams", faults)),
    )


def _path(wanted: structs.HTTPPathMatch, at: str, faults: list[Fault]) -> StringMatch | None:
    if wanted.type == "PathPrefix":
        text = wanted.value.rstrip("/")
        if text and (not text.startswith("/") or _NOT_IN_A_PREFIX.search(text)):
            faults.append(Fault(UNSUPPORTED, at, f"must begin with / and have no ?, # or space, is {wanted.value!r}"))
            return None
        return StringMatch(Comparison.SEGMENTS, text) if text else None
    return compared(wanted.type, wanted.value, at, faults)


def named(
    wanted: Iterable[structs.ValueMatch], at: str, faults: list[Fault], *, lower: bool = False
) -> Iterator[NamedMatch]:
    """Conditions on headers (``lower``: case does not tell names apart) or queries; the first of a name counts."""
    seen: set[str] = set()
    for index, each in enumerate(wanted):
        name = each.name.lower() if lower else each.name
        if name in seen:
            continue
        seen.add(name)
        if not (_HEADER.fullmatch(name) if lower else name.strip()):
            faults.append(Fault(UNSUPPORTED, f"{at}.{index}.name", f"must be a name, is {name!r}"))
            continue
        condition = compared(each.type, each.value, f"{at}.{index}", faults)
        if condition is not None:
            yield NamedMatch(name, condition)


def compared(kind: str, value: str, at: str, faults: list[Fault]) -> StringMatch | None:
    """A comparison, Exact or RegularExpression; None, and a fault, where it is neither or cannot be made."""
    comparison = _COMPARISON.get(kind)
    why = "" if comparison is Comparison.EXACT else f"{kind} is no comparison that Plait knows"
    if comparison is Comparison.REGEX:
        refused = refusal(value)
        why = f"must be an RE2 regular expression: {refused}" if refused else ""
    if why or comparison is None:
        faults.append(Fault(UNSUPPORTED, at, why))
        return None
    return StringMatch(comparison, value)


def _resilience(rule: structs.HTTPRouteRule) -> Iterator[Policy]:
    """Time-outs and retries: without retries, the time of one try is that of the whole request."""
    whole = rule.timeouts.request if rule.timeouts is not None else None
    single = rule.timeouts.backend_request if rule.timeouts is not None else None
    if rule.retry is not None:
        yield RetryPolicy(
            attempts=rule.retry.attempts if rule.retry.attempts is not None else _ATTEMPTS,
            on=tuple(sorted({*PROVEN_UNEXECUTED, *(("retriable-status-codes",) if rule.retry.codes else ())})),
            statuses=tuple(sorted({code for code in rule.retry.codes if 400 <= code <= 599})),
            per_try_timeout=single or _ZERO,
            backoff=rule.retry.backoff or _ZERO,
        )
    elif single:
        whole = min(whole, single) if whole else single
    if whole is not None:
        yield Timeout(whole)
