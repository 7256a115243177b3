"""GRPCRoutes: calls are HTTP requests for /package.Service/Method."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xds.decoders.gateway_api.filters import UNSUPPORTED, Filtered, decode_filters
from xds.decoders.gateway_api.http_route import named, shares
from xds.decoders.gateway_api.references import unheeded
from xds.decoders.gateway_api.routes import route_rows
from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api import grpc_route as structs
from xds.model.gateway_api import Fault, Rule
from xds.model.route import Comparison, HttpRoute, Match, RequestMatch, StringMatch
from xds.translators.regex import refusal

_ANY = "[^/]+"


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a GRPCRoute."""
    spec: structs.GRPCRouteSpec = authored.struct.spec
    rules: list[Rule] = []
    for index, rule in enumerate(spec.rules):
        path = f"spec.rules.{index}"
        at_session = authored.spec / "rules" / index / "sessionPersistence"
        unheeded(at_session, authored.reading, rule.session_persistence, "sessions are balanced like all else")
        backends, of_shares = shares(rule.backend_refs, f"{path}.backendRefs", authored.reading)
        filtered = Filtered(authored.reading, None)
        decode_filters(rule.filters, f"{path}.filters", filtered)
        for count, each in enumerate(rule.matches or (structs.GRPCRouteMatch(),)):
            faults: list[Fault] = []
            here = f"{path}.matches.{count}"
            headers = tuple(named(each.headers, f"{here}.headers", faults, lower=True))
            stated = ("spec", "rules", index, *(("matches", count) if rule.matches else ()))
            request = RequestMatch(_path(each.method, f"{here}.method", faults), headers=headers)
            rules.append(
                Rule(
                    backends=backends,
                    http=HttpRoute(rule.name or str(index), (Match(request, stated=stated),), (), filtered.policies),
                    mirrors=tuple(filtered.mirrors),
                    faults=(*faults, *filtered.faults, *of_shares),
                    dropped=bool(faults),
                )
            )
    yield from route_rows(authored, spec.parent_refs, spec.hostnames, rules)


def _path(wanted: structs.GRPCMethodMatch | None, at: str, faults: list[Fault]) -> StringMatch | None:
    if wanted is None or not (wanted.service or wanted.method):
        return None
    service, method = wanted.service or "", wanted.method or ""
    if wanted.type == "Exact":
        if any("/" in part for part in (service, method)):
            faults.append(Fault(UNSUPPORTED, at, "must have a service and a method without /"))
            return None
        if service and method:
            return StringMatch(Comparison.EXACT, f"/{service}/{method}")
        if service:
            return StringMatch(Comparison.PREFIX, f"/{service}/")
        return StringMatch(Comparison.REGEX, f"/{_ANY}/{re.escape(method)}")
    pattern = f"/{service or _ANY}/{method or _ANY}"
    why = refusal(pattern) if wanted.type == "RegularExpression" else f"{wanted.type} is no comparison"
    if why:
        faults.append(Fault(UNSUPPORTED, at, f"must be Exact, or an RE2 RegularExpression: {why}"))
        return None
    return StringMatch(Comparison.REGEX, pattern)
