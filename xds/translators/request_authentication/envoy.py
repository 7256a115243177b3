"""RequestAuthentication in Envoy's words: the jwt_authn filter."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteMatch
from xds.api.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwtAuthentication,
    JwtClaimToHeader,
    JwtHeader,
    JwtProvider,
    JwtRequirement,
    RequirementRule,
)
from xds.model.identity import TrustDomains
from xds.model.jwks import as_text
from xds.translators.request_authentication.policy import JwtRule, RequestAuthentication

PAYLOAD: Final = "payload"
"""The key of the filter's dynamic metadata under which the claims of an accepted token stand."""

_SPACE_DELIMITED: Final = ("scope", "permission")

# Envoy refuses a provider without any key that it can read, and with it the whole filter. So each has this one, too:
# with it alone no token is good. Nobody can have its private key: x is the SHA-256 of "plait: nobody has the private
# key 2", the first number there that gives a point of the curve, y the even one of its two.
NOBODY: Final = MappingProxyType(
    {
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "kid": "nobody-has-the-private-key",
        "x": "fltHxY3GnP1ZP-GqXDb8pgA9c_-wJtLiyfKMJti6iUU",
        "y": "stkCRQYhBn76Sb3nkidB7UBVJK7OpggecsSaaQvcWTY",
    }
)


def jwt_authn(policy: RequestAuthentication, tcp: bool, trust: TrustDomains) -> JwtAuthentication:
    """The filter that checks tokens; the claims of a good one are its dynamic metadata, under ``payload``."""
    del tcp, trust
    named = {f"origins-{index}": rule for index, rule in enumerate(policy.rules)}
    return JwtAuthentication(
        providers={name: _provider(rule) for name, rule in named.items()},
        rules=[RequirementRule(match=RouteMatch(prefix="/"), requires=_requirement(list(named)))],
        bypass_cors_preflight=True,
    )


def _provider(rule: JwtRule) -> JwtProvider:
    provider = JwtProvider(
        issuer=rule.issuer,
        audiences=rule.audiences,
        from_headers=[JwtHeader(name=each.name, value_prefix=each.prefix) for each in rule.from_headers],
        from_params=rule.from_params,
        from_cookies=rule.from_cookies,
        forward=rule.forward,
        forward_payload_header=rule.payload_header,
        claim_to_headers=[JwtClaimToHeader(header_name=name, claim_name=claim) for name, claim in rule.claim_headers],
        payload_in_metadata=PAYLOAD,
    )
    provider.local_jwks.inline_string = _jwks(rule)
    claims = dict.fromkeys((*_SPACE_DELIMITED, *rule.space_delimited_claims))
    provider.normalize_payload_in_metadata.space_delimited_claims.extend(claims)
    return provider


def _jwks(rule: JwtRule) -> str:
    keys = json.loads(rule.jwks)["keys"] if rule.jwks else []
    return as_text((*keys, NOBODY))


def _requirement(names: list[str]) -> JwtRequirement:
    """A token that one provider accepts, or none at all.

    A missing token passes only where it is missing for every provider: each looks in places of its own.
    """
    if len(names) == 1:
        return _or_missing(names[0])
    requirement = JwtRequirement()
    either = requirement.requires_any.requirements
    either.extend(JwtRequirement(provider_name=name) for name in names)
    either.add().requires_all.requirements.extend(map(_or_missing, names))
    return requirement


def _or_missing(name: str) -> JwtRequirement:
    requirement = JwtRequirement()
    requirement.requires_any.requirements.add(provider_name=name)
    requirement.requires_any.requirements.add().allow_missing.SetInParent()
    return requirement
