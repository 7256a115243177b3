"""Which of several rules, and of several hosts, is the more precise: it is tried first."""

from __future__ import annotations

from collections.abc import Iterable

from xds.model.gateway import BoundRoute
from xds.model.gateway_api import ApiRoute
from xds.model.route import Comparison, RequestMatch

_BY_KIND = {Comparison.EXACT: 0, Comparison.SEGMENTS: 1, Comparison.PREFIX: 1, Comparison.REGEX: 2}
_ANY_PATH = 3


def rank(request: RequestMatch) -> tuple[int, int, bool, int, int]:
    """What orders matches, the smallest first.

    An exact path before a prefix, a regex, any path; the longer path; one with a method; more headers; more queries.
    Source: the Gateway API's HTTPRouteRule.matches, istio-semantics 7.5.
    """
    kind = _BY_KIND.get(request.path.comparison, 2) if request.path is not None else _ANY_PATH
    length = len(request.path.value) if request.path is not None else 0
    headers = [each for each in request.headers if each.name != ":method"]
    with_method = len(headers) < len(request.headers)
    return (kind, -length, not with_method, -len(headers), -len(request.queries))


def ordered(found: Iterable[tuple[ApiRoute, BoundRoute]]) -> list[BoundRoute]:
    """Rules of several routes in the order in which they are tried: by match, by age of the route, as written."""
    pairs = sorted(found, key=lambda pair: (rank(pair[1].match.request), pair[0].age))
    return [bound for _, bound in pairs]


def precision(host: str) -> tuple[bool, int]:
    """What orders hosts, the smallest first: names before wildcards before any (``""``), longer ones first."""
    return (host.startswith("*") or not host, -len(host.lstrip("*")))


def meeting(one: str, other: str) -> str | None:
    """The host that both mean: the more precise of the two, where one covers the other; None where they never meet.

    Shape: names, wildcards (``*.x``), or ``""`` for any.
    """
    if not one or not other or one == other:
        return one or other
    narrow, wide = sorted((one, other), key=precision)
    return narrow if wide.startswith("*") and narrow.endswith(wide[1:]) else None
