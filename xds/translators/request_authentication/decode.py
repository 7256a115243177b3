"""Reading RequestAuthentications."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from xds.kinds.request_authentication import JWTRule
from xds.kinds.request_authentication import RequestAuthentication as Struct
from xds.model.jwks import DISCOVERY, public_keys
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.request_authentication.policy import JwtRule, RequestAuthentication, TokenHeader, in_order

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def request_authentication(struct: Struct, at: FieldRef, reading: Reading) -> RequestAuthentication:
    """The issuers in ``spec.jwtRules``.

    Problems: jwt.two-key-sources, jwt.jwks, jwt.jwks-private, jwt.key-skipped, jwt.jwks-uri, jwt.plaintext-keys,
    jwt.no-keys, jwt.header-name, jwt.header-twice, jwt.presence. Source: istio security/v1 JWTRule.
    """
    rules = (_rule(rule, at / "jwtRules" / index, reading) for index, rule in enumerate(struct.spec.jwt_rules))
    return in_order(tuple(rules))


def _rule(rule: JWTRule, at: FieldRef, reading: Reading) -> JwtRule:
    _check_headers(rule, at, reading)
    if rule.presence == "REQUIRED":
        message = "is not carried out, as in Istio; an AuthorizationPolicy with requestPrincipals requires a token"
        reading.warning(at / "presence", "jwt.presence", message)
    key_set, jwks = _keys(rule, at, reading)
    return JwtRule(
        issuer=rule.issuer,
        audiences=rule.audiences,
        key_set=key_set,
        jwks=jwks,
        from_headers=tuple(TokenHeader(each.name, each.prefix) for each in rule.from_headers),
        from_params=rule.from_params,
        from_cookies=rule.from_cookies,
        payload_header=rule.output_payload_to_header,
        claim_headers=tuple((each.header, each.claim) for each in rule.output_claim_to_headers),
        forward=rule.forward_original_token,
        space_delimited_claims=rule.space_delimited_claims,
    )


def _keys(rule: JWTRule, at: FieldRef, reading: Reading) -> tuple[str, str]:
    """Where the keys are to be read, and the keys themselves: one of the two at most."""
    uri = rule.jwks_uri or rule.jwks_uri_old
    field = "jwksUri" if rule.jwks_uri else "jwks_uri"
    if uri and rule.jwks:
        reading.error(at / "jwks", "jwt.two-key-sources", f"excludes {field}; a rule has one of them")
    if rule.jwks:
        return "", _inline(rule.jwks, at / "jwks", reading)
    if uri:
        _check_uri(uri, at / field, reading)
        return uri, ""
    if _fault_of_uri(rule.issuer):
        message = "is no URL by which its keys could be found, and there is no jwksUri: all its tokens are refused"
        reading.warning(at / "issuer", "jwt.no-keys", message)
        return "", ""
    return rule.issuer.rstrip("/") + DISCOVERY, ""


def _inline(text: str, at: FieldRef, reading: Reading) -> str:
    found = public_keys(text)
    if found.problem:
        reading.error(at, "jwt.jwks", found.problem)
    elif found.skipped:
        reading.warning(at, "jwt.key-skipped", f"has keys that are left out: {'; '.join(found.skipped)}")
    if found.private:
        message = (
            "holds a private key or a shared secret: whoever can read this object can make tokens; replace the key"
        )
        reading.warning(at, "jwt.jwks-private", message)
    return found.text


def _check_uri(uri: str, at: FieldRef, reading: Reading) -> None:
    if fault := _fault_of_uri(uri):
        reading.error(at, "jwt.jwks-uri", f"must be a URL like https://issuer.example/keys, {fault}")
    elif uri.lower().startswith("http:"):
        message = "keys that come without TLS can be replaced on their way; use https"
        reading.warning(at, "jwt.plaintext-keys", message)


def _fault_of_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"is {uri!r}"
    if parts.scheme not in ("http", "https") or not host or any(letter.isspace() for letter in uri):
        return f"is {uri!r}"
    return "has a user or a password" if "@" in parts.netloc else ""


def _check_headers(rule: JWTRule, at: FieldRef, reading: Reading) -> None:
    named = [(each.name, at / "fromHeaders" / i / "name") for i, each in enumerate(rule.from_headers)]
    told = [
        (each.header, at / "outputClaimToHeaders" / i / "header") for i, each in enumerate(rule.output_claim_to_headers)
    ]
    if rule.output_payload_to_header:
        told.append((rule.output_payload_to_header, at / "outputPayloadToHeader"))
    for name, here in (*named, *told):
        if not _TOKEN.fullmatch(name):
            reading.error(here, "jwt.header-name", f"must be a header name, is {name!r}")
    seen: set[str] = set()
    for name, here in told:
        if name.lower() in seen:
            reading.error(here, "jwt.header-twice", f"{name!r} has a value already")
        seen.add(name.lower())
