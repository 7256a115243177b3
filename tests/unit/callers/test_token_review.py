"""Tokens that the API server reviews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from urllib3.exceptions import ConnectTimeoutError

from xds.callers.caller import Caller
from xds.callers.join_tokens import JoinTokens
from xds.callers.token_review import KubernetesReviews, Review, TokenReviews, Unreachable
from xds.server.errors import Denied, Reason
from xds.server.node import Peer

POD = "authentication.kubernetes.io/pod-name"
GOOD = Review(
    authenticated=True,
    username="system:serviceaccount:shop:web",
    audiences=("istio-ca",),
    extra={POD: ["web-0"]},
)
NOW = datetime.now(UTC)
TOKEN = JoinTokens().issue("shop", "web", "web-0", now=NOW)


class Api:
    """An API server that gives one answer, and counts."""

    def __init__(self, answer: Review | None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def review(self, token: str, audience: str) -> Review:
        self.asked.append((token, audience))
        if self.answer is None:
            raise Unreachable
        return self.answer


async def caller(api: Api, token: str = TOKEN) -> Caller | None:
    return await TokenReviews("cluster.local", api).caller(peer(token))


def peer(token: str) -> Peer:
    return Peer("ipv4:10.0.0.1:1", metadata={"authorization": f"Bearer {token}"})


async def test_a_good_one_is_asked_for_once() -> None:
    api = Api(GOOD)
    way = TokenReviews("cluster.local", api)
    ends = datetime.fromtimestamp(int(NOW.timestamp()) + 3600, UTC)
    for _ in range(3):
        assert await way.caller(peer(TOKEN)) == Caller("cluster.local", "shop", "web", "web-0", ends)
    assert api.asked == [(TOKEN, "istio-ca")]
    assert await way.caller(Peer("ipv4:10.0.0.1:1")) is None


async def test_a_token_that_never_ends() -> None:
    found = await caller(Api(GOOD), "opaque")
    assert found is not None
    assert found.expires_at is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Review(authenticated=False), "is not known to the API server"),
        (Review(authenticated=True, username=GOOD.username), "is not for istio-ca"),
        (Review(authenticated=True, username="admin", audiences=("istio-ca",)), "is not a service account's"),
    ],
)
async def test_answers_that_prove_nothing(answer: Review, why: str) -> None:
    with pytest.raises(Denied, match=why) as denied:
        await caller(Api(answer))
    assert denied.value.reason is Reason.UNAUTHENTICATED


async def test_an_expired_one() -> None:
    with pytest.raises(Denied, match="has expired"):
        await caller(Api(GOOD), JoinTokens().issue("shop", "web", "web-0", now=NOW - timedelta(hours=2)))


async def test_no_answer() -> None:
    with pytest.raises(Denied) as denied:
        await caller(Api(None))
    assert denied.value.reason is Reason.UNAVAILABLE


class Kubernetes:
    """The one method of AuthenticationV1Api that is used."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def create_token_review(self, body: client.V1TokenReview, **_: Any) -> Any:
        assert (body.spec.token, body.spec.audiences) == (TOKEN, ["istio-ca"])
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(status=self.answer)


async def test_the_kubernetes_package() -> None:
    user = client.V1UserInfo(username=GOOD.username, extra={POD: ["web-0"]})
    status = client.V1TokenReviewStatus(authenticated=True, user=user, audiences=["istio-ca"])
    assert await KubernetesReviews(Kubernetes(status)).review(TOKEN, "istio-ca") == GOOD
    nobody = client.V1TokenReviewStatus(error="expired")
    assert await KubernetesReviews(Kubernetes(nobody)).review(TOKEN, "istio-ca") == Review(authenticated=False)
    for error in (client.ApiException(status=503), ConnectTimeoutError(), OSError(), None):
        with pytest.raises(Unreachable):
            await KubernetesReviews(Kubernetes(error)).review(TOKEN, "istio-ca")
