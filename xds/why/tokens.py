"""Tokens checked as a workload's proxy checks them: signature, issuer, audience, time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from xds.explain.request import Claims, Refused
from xds.explain.tokens import OTHER_ISSUER
from xds.translators.request_authentication.policy import JwtRule

if TYPE_CHECKING:
    import jwt

# Envoy's own (jwt_authn.v3.JwtProvider.clock_skew_seconds).
_SKEW: Final = timedelta(seconds=60)
_ALGORITHMS: Final = (
    *("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"),
    *("HS256", "HS384", "HS512"),
)


class Verifier:
    """Verifies tokens; ``unchecked`` names the issuers whose keys are not known here, so whose word was taken."""

    def __init__(self) -> None:
        self.unchecked: list[str] = []

    def __call__(self, rule: JwtRule, token: str) -> Claims | Refused:
        """The claims of a token that the rule takes, or why it does not."""
        import jwt  # with cryptography, which most questions need nothing of

        try:
            stated = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            return Refused(f"it is no token: {error}")
        if stated["payload"].get("iss") != rule.issuer:
            return Refused(OTHER_ISSUER)
        # Whom it is for and until when is looked at before the signature.
        claims = _checked(rule, token, None)
        if isinstance(claims, Refused):
            return claims
        if not rule.jwks and rule.key_set:
            self.unchecked.append(rule.issuer)
            return claims
        found: Claims | Refused = Refused(f"no key of {rule.issuer} is known that it could be signed with")
        for key in _keys(rule, stated["header"].get("kid")):
            found = _checked(rule, token, key)
            if not isinstance(found, Refused):
                return found
        return found


def _keys(rule: JwtRule, kid: str | None) -> Iterable[jwt.PyJWK]:
    import jwt

    for plain in json.loads(rule.jwks)["keys"] if rule.jwks else ():
        if kid is None or plain.get("kid", kid) == kid:
            try:
                yield jwt.PyJWK(plain)
            except jwt.PyJWTError:
                continue


def _checked(rule: JwtRule, token: str, key: jwt.PyJWK | None) -> Claims | Refused:
    import jwt

    options: Any = {"verify_signature": key is not None, "verify_aud": bool(rule.audiences), "verify_exp": True}
    options |= {"verify_nbf": True, "verify_iat": False, "verify_sub": False, "verify_jti": False}
    try:
        found: Claims = jwt.decode(
            token,
            key if key is not None else "",
            algorithms=[key.algorithm_name] if key is not None else list(_ALGORITHMS),
            audience=list(rule.audiences) or None,
            options=options,
            leeway=_SKEW,
        )
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
        return Refused(f"it is not for {' or '.join(rule.audiences)}", 403)
    except jwt.PyJWTError as error:
        return Refused(str(error).lower())
    return found
