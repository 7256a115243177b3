"""Service-account tokens verified here, with the issuer's public keys: no request to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from xds.callers.bearer import bearer, kubernetes_claims, unproven
from xds.callers.caller import Caller
from xds.callers.known_tokens import KnownTokens
from xds.model.identity import AUDIENCE
from xds.server.node import Peer

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub"]
# How far the issuer's clock may be ahead of ours. A token's end has no such allowance.
_LEEWAY: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """Whose tokens are taken: ``issuer``, for any of ``audiences``, signed by one of ``keys`` (by key id)."""

    issuer: str
    keys: Mapping[str, jwt.PyJWK] = field(repr=False)
    audiences: tuple[str, ...] = (AUDIENCE,)

    @classmethod
    def of(cls, issuer: str, jwks: Mapping[str, Any], audiences: Iterable[str] = (AUDIENCE,)) -> TokenKeys:
        """The signing keys of a JWK set (RFC 7517) that have an id, and are public.

        Errors: ValueError when there is none among them.
        """
        listed = jwks.get("keys")
        keys = [key for key in listed if isinstance(key, Mapping)] if isinstance(listed, list) else []
        signing = [dict(key) for key in keys if key.get("kid") and key.get("use", "sig") == "sig"]
        try:
            read = jwt.PyJWKSet(signing).keys
        except jwt.PyJWTError:
            read = []
        found = {str(key.key_id): key for key in read if key.algorithm_name in ALGORITHMS}
        if not found:
            raise ValueError(f"the JWK set of {issuer} has no key with an id that tokens are signed with")
        return cls(issuer, found, tuple(audiences))


class Tokens:
    """The way of bearer tokens. ``keys`` may be replaced while it is in use, when the issuer has new ones."""

    asks: Final = f"a service-account token (authorization: Bearer, audience {AUDIENCE})"

    def __init__(self, trust_domain: str, keys: TokenKeys, known: KnownTokens | None = None) -> None:
        self._trust_domain = trust_domain
        self._keys = keys
        self._known = KnownTokens() if known is None else known

    @property
    def keys(self) -> TokenKeys:
        """Whose tokens are taken now."""
        return self._keys

    @keys.setter
    def keys(self, keys: TokenKeys) -> None:
        self._keys = keys
        self._known.clear()

    async def caller(self, peer: Peer) -> Caller | None:
        """Whose token the peer presents; None when it presents none. Denied when the token proves nothing."""
        token = bearer(peer)
        return None if token is None else self.verify(token)

    def knows(self, token: str) -> bool:
        """Whether the token says that one of the keys has signed it, so that ``verify`` can tell."""
        try:
            return str(jwt.get_unverified_header(token).get("kid")) in self._keys.keys
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False

    def verify(self, token: str) -> Caller:
        """Whose token it is. Denied (UNAUTHENTICATED) when it proves nothing; the text has none of it."""
        now = datetime.now(UTC)
        known = self._known.get(token, now)
        if known is not None:
            return known
        payload = verified(token, self._keys)
        expires_at = _moment(payload["exp"])
        if expires_at <= now:
            raise unproven(f"expired at {expires_at:%Y-%m-%d %H:%M:%S}Z")
        claims = replace(kubernetes_claims(payload), expires_at=expires_at)
        caller = claims.caller(self._trust_domain)
        self._known.add(token, caller, expires_at)
        return caller


def verified(token: str, keys: TokenKeys) -> Mapping[str, Any]:
    """The payload of a token that is signed by one of the keys, in time, and meant for us. Denied for any other.

    The key decides on the algorithm, never the token: no ``none``, no public key taken for a shared secret.
    """
    try:
        key = keys.keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise unproven(f"is signed with a key that {keys.issuer} does not have")
        return jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=keys.audiences,
            issuer=keys.issuer,
            leeway=_LEEWAY,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )
    except jwt.ExpiredSignatureError:
        raise unproven("has expired") from None
    except jwt.ImmatureSignatureError:
        raise unproven("is not valid yet: is a clock wrong?") from None
    except jwt.InvalidAudienceError:
        raise unproven(f"is not for {' or '.join(keys.audiences)}") from None
    except jwt.InvalidIssuerError:
        raise unproven(f"is not of {keys.issuer}") from None
    except jwt.InvalidSignatureError:
        raise unproven("has a wrong signature") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise unproven(f"is not one ({type(error).__name__})") from None


def _moment(seconds: object) -> datetime:
    try:
        return datetime.fromtimestamp(int(str(seconds).partition(".")[0]), UTC)
    except (ValueError, OverflowError, OSError):
        raise unproven("has an expiry that is no moment") from None
