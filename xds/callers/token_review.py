"""Service-account tokens that the API server verifies: knows of deleted pods and revoked accounts; one request each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import jwt

from xds.callers.bearer import Claims, bearer, unproven
from xds.callers.caller import Caller
from xds.callers.known_tokens import KnownTokens
from xds.model.identity import AUDIENCE
from xds.server.errors import Denied, Reason
from xds.server.node import Peer

_POD: Final = "authentication.kubernetes.io/pod-name"
# How long a pod or account that was deleted may go on opening streams.
_TRUSTED_FOR: Final = timedelta(minutes=2)
# Requests to the API server at once.
_REVIEWS: Final = 8


class Unreachable(Exception):
    """The API server did not answer, or not the question."""


@dataclass(frozen=True, slots=True)
class Review:
    """The API server's answer (authentication.k8s.io/v1 TokenReviewStatus)."""

    authenticated: bool
    username: str = ""
    audiences: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


class ReviewApi(Protocol):
    """Who reviews tokens."""

    async def review(self, token: str, audience: str) -> Review:
        """The answer for a token that is to be valid for the audience. Unreachable when there is none."""


class TokenReviews:
    """The way of bearer tokens, by asking the API server; good answers are kept for two minutes."""

    asks: Final = f"a service-account token (authorization: Bearer, audience {AUDIENCE})"

    def __init__(
        self, trust_domain: str, api: ReviewApi, *, audience: str = AUDIENCE, known: KnownTokens | None = None
    ) -> None:
        self._trust_domain = trust_domain
        self._api = api
        self._audience = audience
        self._known = KnownTokens() if known is None else known
        self._places = asyncio.Semaphore(_REVIEWS)

    async def caller(self, peer: Peer) -> Caller | None:
        """Whose token the peer presents; None when it presents none.

        Errors: Denied, UNAVAILABLE when the API server does not answer.
        """
        token = bearer(peer)
        if token is None:
            return None
        known = self._known.get(token, datetime.now(UTC))
        return known if known is not None else await self._reviewed(token)

    async def _reviewed(self, token: str) -> Caller:
        try:
            async with self._places:
                review = await self._api.review(token, self._audience)
        except Unreachable:
            text = "the API server cannot be asked about the bearer token now"
            raise Denied(text, Reason.UNAVAILABLE) from None
        if not review.authenticated:
            raise unproven("is not known to the API server: expired, revoked, or of another cluster")
        if self._audience not in review.audiences:
            raise unproven(f"is not for {self._audience}")
        now = datetime.now(UTC)
        expires_at = _expiry(token)
        if expires_at is not None and expires_at <= now:
            raise unproven("has expired")
        pod = next(iter(review.extra.get(_POD, ())), "")
        caller = Claims(review.username, pod, expires_at).caller(self._trust_domain)
        self._known.add(token, caller, min(expires_at or now + _TRUSTED_FOR, now + _TRUSTED_FOR))
        return caller


def _expiry(token: str) -> datetime | None:
    """When a token that was found good ends; None for one that never does."""
    try:
        exp = jwt.decode(token, options={"verify_signature": False}).get("exp")
        return None if exp is None else datetime.fromtimestamp(float(exp), UTC)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError):
        return None


class KubernetesReviews:
    """The API server's reviews, through a ``kubernetes.client.AuthenticationV1Api``."""

    def __init__(self, api: Any, *, timeout: timedelta = timedelta(seconds=5)) -> None:
        self._api = api
        self._timeout_s = timeout.total_seconds()

    async def review(self, token: str, audience: str) -> Review:
        """As ``ReviewApi``."""
        return await asyncio.to_thread(self._ask, token, audience)

    def _ask(self, token: str, audience: str) -> Review:
        from kubernetes import client
        from urllib3.exceptions import HTTPError

        asked = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token, audiences=[audience]))
        try:
            status = self._api.create_token_review(asked, _request_timeout=self._timeout_s).status
        except (client.ApiException, HTTPError, OSError) as error:
            raise Unreachable(type(error).__name__) from None
        if status is None:
            raise Unreachable("no status")
        user = status.user
        return Review(
            authenticated=bool(status.authenticated),
            username=(user.username or "") if user else "",
            audiences=tuple(status.audiences or ()),
            extra=dict(user.extra or {}) if user else {},
        )
