"""Keys of an issuer of tokens that come from a URL, and new ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from jwt.algorithms import ECAlgorithm

from xds.callers.join_tokens import ISSUER, JoinTokens
from xds.identity.token_issuer import TokenIssuer
from xds.server import Denied


def jwks(tokens: JoinTokens) -> str:
    ((name, key),) = tokens.keys.keys.items()
    return json.dumps({"keys": [{**ECAlgorithm.to_jwk(key.key, as_dict=True), "kid": name, "alg": "ES256"}]})


@asynccontextmanager
async def served(text: str) -> AsyncIterator[str]:
    """The URL of a server that answers everything with the text."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    finally:
        server.close()


async def test_no_token_is_taken_before_the_keys_are_there() -> None:
    tokens = JoinTokens()
    token = tokens.issue("shop", "web", "web-0", now=datetime.now(UTC))
    async with served(jwks(tokens)) as url:
        issuer = TokenIssuer(ISSUER, url, "cluster.local", timedelta(minutes=1))
        with pytest.raises(Denied, match="does not have"):
            issuer.tokens.verify(token)
        following = asyncio.create_task(issuer.follow())
        async with asyncio.timeout(10):
            while not issuer.tokens.keys.keys:  # noqa: ASYNC110 (nobody is told)
                await asyncio.sleep(0.01)
        assert issuer.tokens.verify(token).service_account == "web"
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
