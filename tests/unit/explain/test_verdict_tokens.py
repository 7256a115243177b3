"""Where tokens are looked for, whose claims count, and in which form they come to conditions."""

from __future__ import annotations

import pytest

from xds.explain.request import Claims, HttpRequest, Refused
from xds.explain.tokens import OTHER_ISSUER, judged, normalized, tokens
from xds.translators.request_authentication.policy import JwtRule, RequestAuthentication, TokenHeader

RULE = JwtRule("issuer.example")
OWN = JwtRule(
    "issuer.example",
    from_headers=(TokenHeader("X-Token", "T "), TokenHeader("x-bare")),
    from_params=("token",),
    from_cookies=("session",),
)


def verify(rule: JwtRule, token: str) -> Claims | Refused:
    """A token is its issuer; one that ends in ``-old`` has expired."""
    if token.removesuffix("-old") != rule.issuer:
        return Refused(OTHER_ISSUER)
    return Refused("it has expired") if token.endswith("-old") else {"iss": token, "scope": "read write", "own": "a b"}


@pytest.mark.parametrize(
    ("rule", "http", "found"),
    [
        (RULE, HttpRequest(headers=(("Authorization", "Bearer abc"),)), ["abc"]),
        (RULE, HttpRequest(headers=(("Authorization", "Basic abc"),)), []),
        (RULE, HttpRequest(path="/a?x=1&access_token=abc"), ["abc"]),
        (RULE, HttpRequest(headers=(("cookie", "session=abc"),)), []),
        (OWN, HttpRequest(headers=(("x-token", "T abc"), ("X-Bare", "def"))), ["abc", "def"]),
        (OWN, HttpRequest(headers=(("authorization", "Bearer abc"),)), []),
        (OWN, HttpRequest(path="/?token=abc&access_token=def"), ["abc"]),
        (OWN, HttpRequest(headers=(("cookie", "a=b; session=abc"),)), ["abc"]),
    ],
)
def test_where_tokens_are(rule: JwtRule, http: HttpRequest, found: list[str]) -> None:
    assert list(tokens(rule, http)) == found


def bearing(token: str) -> HttpRequest:
    return HttpRequest(headers=(("authorization", f"Bearer {token}"),))


def test_one_issuer_that_accepts_it_is_enough() -> None:
    policy = RequestAuthentication((JwtRule("a.example"), JwtRule("b.example")))
    found = judged(policy, bearing("b.example"), verify)
    assert isinstance(found, dict)
    assert (found["iss"], found["scope"]) == ("b.example", ["read", "write"])
    assert judged(policy, HttpRequest(), verify) is None
    assert judged(policy, bearing("c.example"), verify) == Refused(OTHER_ISSUER)
    for token in ("a.example-old", "b.example-old"):
        assert judged(policy, bearing(token), verify) == Refused("it has expired")
    assert judged(RequestAuthentication(), bearing("nonsense"), verify) is None


def test_lists_of_words() -> None:
    claims = {"scope": "a b", "permission": "c", "own": "d e", "other": "f g"}
    assert normalized(JwtRule("i", space_delimited_claims=("own",)), claims) == {
        "scope": ["a", "b"],
        "permission": ["c"],
        "own": ["d", "e"],
        "other": "f g",
    }
