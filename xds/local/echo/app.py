"""The HTTP side of the echo server: an ASGI application for HTTP/1.1, HTTP/2 and websockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from xds.local.echo.identity import Identity, plain
from xds.local.echo.shape import Failures, Shape, shape

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# The key of the scope's extensions under which the server puts a function that resets the connection.
RESET: Final = "plait.reset"
_BODY_SHOWN: Final = 4096


class EchoApp:
    """Answers every request with JSON: who this is and what it saw. Query parameters shape the answer (``Shape``)."""

    def __init__(self, identity: Identity, failures: Failures) -> None:
        self._identity = identity
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        try:
            how = shape(_query(scope))
        except ValueError as error:
            await _answer(send, 400, [], (json.dumps({"error": str(error)}) + "\n").encode())
            return
        if how.delay:
            await asyncio.sleep(how.delay.total_seconds())
        facts = self._facts(scope)
        key = how.key or facts["headers"].get("x-request-key") or scope["path"]
        facts["attempt"], failing = self._failures.next(key, how.fail_first)
        if how.close:
            scope["extensions"][RESET]()
            return
        facts |= {"body_bytes": len(body), "body": body[:_BODY_SHOWN].decode(errors="replace")}
        headers = [(name.encode(), value.encode()) for name, value in how.headers]
        status = how.fail_status if failing else how.status
        if how.chunks:
            await _stream(send, status, headers, facts, how)
        else:
            await _answer(send, status, headers, _filled(facts, how.size))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """First a message with the facts, then every message back."""
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(self._facts(scope))})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")})

    def _facts(self, scope: Scope) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
        path = scope.get("raw_path") or scope["path"].encode()
        return {
            **self._identity.facts(),
            "protocol": "websocket" if scope["type"] == "websocket" else f"HTTP/{scope['http_version']}",
            "scheme": scope["scheme"],
            "method": scope.get("method", "GET"),
            "path": path.partition(b"?")[0].decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            "host": headers.get("host") or headers.get(":authority", ""),
            "headers": headers,
            "peer": plain(client[0]),
            "peer_port": client[1],
            "port": server[1],
        }


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def _body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _filled(facts: dict[str, Any], size: int) -> bytes:
    """The facts as a line of JSON, at least ``size`` bytes long."""
    text = json.dumps(facts)
    if len(text) < size:
        text = json.dumps({**facts, "filler": "x" * (size - len(text))})
    return text.encode() + b"\n"


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    fields = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _stream(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], facts: dict[str, Any], how: Shape
) -> None:
    """The facts at once, then a numbered line at a time."""
    fields = [(b"content-type", b"application/x-ndjson"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": _filled(facts, how.size), "more_body": True})
    for number in range(1, how.chunks + 1):
        await asyncio.sleep(how.every.total_seconds())
        line = json.dumps({"chunk": number, "of": how.chunks}).encode() + b"\n"
        await send({"type": "http.response.body", "body": line, "more_body": number < how.chunks})
