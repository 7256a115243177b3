"""The echo server over real sockets of this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest

from xds.local.echo import rpc
from xds.local.echo.app import EchoApp
from xds.local.echo.identity import Identity
from xds.local.echo.servers import Servers
from xds.local.echo.shape import Failures

ME = Identity.of({"POD_NAME": "web-0", "POD_NAMESPACE": "shop", "VERSION": "v2", "POD_IP": "10.77.0.2"})


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    servers = Servers(ME, EchoApp(ME, Failures()))
    yield servers
    await servers.close()


@pytest.mark.parametrize(("http2", "protocol"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
async def test_http_says_who_and_what(servers: Servers, http2: bool, protocol: str) -> None:
    port = await servers.http("127.0.0.1", 0)
    async with httpx.AsyncClient(http1=not http2, http2=http2, base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/a%20b?x=1&status=418&headers=x-more:yes", content=b"hello", headers={"x-in": "1"})
    facts = answer.json()
    assert (answer.status_code, answer.headers["x-more"]) == (418, "yes")
    wanted = {"pod": "web-0", "namespace": "shop", "version": "v2", "method": "POST", "path": "/a%20b", "body_bytes": 5}
    wanted |= {"protocol": protocol.removesuffix(".0"), "peer": "127.0.0.1", "port": port, "body": "hello"}
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["headers"]["x-in"] == "1"
    assert facts["host"] == f"127.0.0.1:{port}"


async def test_http_misbehaves_on_request(servers: Servers) -> None:
    port = await servers.http("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        codes = [(await client.get("/?fail_first=2", headers={"x-request-key": "k"})).status_code for _ in range(3)]
        assert codes == [503, 503, 200]
        assert len((await client.get("/?size=5000")).content) >= 5000
        assert len((await client.get("/?chunks=3&every=1ms")).text.splitlines()) == 4
        assert (await client.get("/?delay=often")).status_code == 400
        with pytest.raises(httpx.TransportError):
            await client.get("/?close=1")


async def test_websocket(servers: Servers) -> None:
    port = await servers.http("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert b" 101 " in await reader.readline()
    await reader.readuntil(b"\r\n\r\n")
    assert (await _frame(reader))["protocol"] == "websocket"
    writer.write(b"\x81\x87\0\0\0\0" + b'{"a":1}')
    assert await _frame(reader) == {"a": 1}
    writer.close()


async def _frame(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = await reader.readexactly(2)
    length = head[1] if head[1] < 126 else int.from_bytes(await reader.readexactly(2))
    found: dict[str, Any] = json.loads(await reader.readexactly(length))
    return found


async def test_tcp(servers: Servers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", await servers.tcp("127.0.0.1", 0))
    facts = json.loads(await reader.readline())
    assert (facts["pod"], facts["protocol"], facts["peer"]) == ("web-0", "TCP", "127.0.0.1")
    writer.write(b"again\n")
    assert await reader.readline() == b"again\n"
    writer.close()


async def test_grpc() -> None:
    server, port = await rpc.serve("127.0.0.1:0", ME, Failures())
    channel: Any = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    async with channel:
        call = channel.unary_unary(rpc.ECHO)(b"xx", metadata=(("x-in", "1"),))
        facts = json.loads(await call)
        assert (facts["pod"], facts["headers"]["x-in"], facts["body_bytes"]) == ("web-0", "1", 2)
        assert ("x-pod", "web-0") in list(await call.initial_metadata())
        assert await channel.unary_unary("/any.Service/Any")(b"back") == b"back"
        assert await channel.unary_unary(rpc.HEALTH)(b"") == b"\x08\x01"
        stream = channel.stream_stream("/any.Service/Stream")(iter([b"1", b"2"]))
        assert [message async for message in stream] == [b"1", b"2"]
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/any.Service/Any")(b"", metadata=(("x-echo-status", "5"),))
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND
        codes = []
        for _ in range(2):
            metadata = (("x-echo-fail-first", "1"), ("x-request-key", "k"))
            codes.append(await _code(channel, metadata))
        assert codes == [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK]
    await server.stop(None)


async def _code(channel: Any, metadata: tuple[tuple[str, str], ...]) -> Any:
    return await channel.unary_unary("/any.Service/Any")(b"", metadata=metadata).code()
