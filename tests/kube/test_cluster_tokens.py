"""Service-account tokens of a real API server: reviewed by it, and by its keys while it is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.kube.api_server import ApiServer
from tests.kube.waiting import until
from xds.cluster.tokens import ClusterTokens
from xds.events import Event
from xds.server import Denied, Peer, Reason

PEER = "ipv4:10.1.1.1:5000"


def token(server: ApiServer, account: str, *, audience: str = "istio-ca") -> str:
    """A token of that account of the namespace ``default``."""
    manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": "default"}}
    server.apply(manifest)
    return server.kubectl("create", "token", account, "--audience", audience).stdout.strip()


def peer(bearer: str) -> Peer:
    return Peer(PEER, metadata={"authorization": f"Bearer {bearer}"}, secure=True)


@contextlib.asynccontextmanager
async def following(tokens: ClusterTokens) -> AsyncIterator[None]:
    task = asyncio.create_task(tokens.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_api_server_says_whose_token_it_is(api_server: ApiServer) -> None:
    tokens = ClusterTokens(api_server.client(), "cluster.local")
    caller = await tokens.caller(peer(token(api_server, "web")))
    assert caller is not None
    assert (caller.namespace, caller.service_account) == ("default", "web")
    assert caller.expires_at is not None
    with pytest.raises(Denied, match="is not"):
        await tokens.caller(peer(token(api_server, "web", audience="somebody-else")))
    with pytest.raises(Denied) as refused:
        await tokens.caller(peer("eyJhbGciOiJub25lIn0.e30."))
    assert refused.value.reason is Reason.UNAUTHENTICATED


async def test_a_token_of_a_deleted_account_is_taken_no_more(api_server: ApiServer) -> None:
    known = token(api_server, "gone")
    api_server.kubectl("delete", "serviceaccount", "gone")
    with pytest.raises(Denied, match="not known to the API server"):
        await ClusterTokens(api_server.client(), "cluster.local").caller(peer(known))


async def test_while_the_api_server_is_away_its_keys_decide(own_api_server: ApiServer) -> None:
    good, other = token(own_api_server, "web"), token(own_api_server, "web", audience="somebody-else")
    tokens = ClusterTokens(own_api_server.client(), "cluster.local")
    with capture_logs() as logs:
        async with following(tokens), asyncio.timeout(30):
            await until(lambda: any(each["event"] == Event.TOKEN_KEYS_TAKEN for each in logs))
    async with asyncio.timeout(30):
        await asyncio.to_thread(own_api_server.stop)
        caller = await tokens.caller(peer(good))
        assert caller is not None
        assert caller.service_account == "web"
        with pytest.raises(Denied, match="is not for istio-ca"):
            await tokens.caller(peer(other))
        with pytest.raises(Denied, match=r"wrong signature|is not one"):
            await tokens.caller(peer(good[:-8] + "AAAAAAAA"))
