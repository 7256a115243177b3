"""Tokens in a request: where each RequestAuthentication looks for them, and how claims come to conditions.

Signatures are checked by who calls (pure code has no cryptography). Source: istio-semantics 1.9; Envoy's jwt_authn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

from xds.explain.request import Claims, HttpRequest, Refused
from xds.translators.request_authentication.policy import JwtRule, RequestAuthentication, TokenHeader

_SPACE_DELIMITED: Final = ("scope", "permission")
_BEARER: Final = TokenHeader("Authorization", "Bearer ")
_PARAM: Final = "access_token"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-.]+")

# The claims of a token that a rule takes, or why it does not.
Verify = Callable[[JwtRule, str], Claims | Refused]


def judged(policy: RequestAuthentication, http: HttpRequest, verify: Verify) -> Claims | Refused | None:
    """What the policy makes of the request's token; None without one. Of several reasons the last rule's is told."""
    refused: Refused | None = None
    for rule in policy.rules:
        for token in tokens(rule, http):
            found = verify(rule, token)
            if not isinstance(found, Refused):
                return normalized(rule, found)
            # Of a token of another issuer that is all there is to say.
            refused = found if refused is None or found.reason != OTHER_ISSUER else refused
    return refused


OTHER_ISSUER: Final = "no RequestAuthentication knows its issuer"


def tokens(rule: JwtRule, http: HttpRequest) -> Iterator[str]:
    """The tokens in the places where the rule looks."""
    own_places = rule.from_headers or rule.from_params or rule.from_cookies
    for place in rule.from_headers if own_places else (_BEARER,):
        value = http.header(place.name) or ""
        start = value.find(place.prefix)
        found = _TOKEN.search(value, start + len(place.prefix)) if start >= 0 else None
        if found is not None:
            yield found[0]
    query = parse_qs(http.path.partition("?")[2])
    for name in rule.from_params if own_places else (_PARAM,):
        yield from query.get(name, ())[:1]
    cookies = _cookies(http.header("cookie") or "")
    yield from (cookies[name] for name in rule.from_cookies if name in cookies)


def _cookies(text: str) -> Mapping[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


def normalized(rule: JwtRule, claims: Claims) -> Claims:
    """The claims with those that are lists of words, a space between two, as lists."""
    found: dict[str, Any] = dict(claims)
    for name in (*_SPACE_DELIMITED, *rule.space_delimited_claims):
        if isinstance(found.get(name), str):
            found[name] = found[name].split()
    return found
