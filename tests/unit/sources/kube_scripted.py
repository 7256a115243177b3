"""An API server that says what a test tells it to: HTTP on loopback, a connection for each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kubernetes.client import Configuration


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    path: str
    query: dict[str, str]
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent; ``stays`` leaves the connection open, as a watch is."""

    body: bytes
    status: int = 200
    stays: bool = False
    headers: str = ""


@dataclass(slots=True)
class Scripted:
    """Answers each request by ``script`` and takes it down."""

    script: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)
    configuration: Any = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = urlsplit(head.split(" ", 2)[1])
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            asked = Asked(target.path, dict(parse_qsl(target.query)), headers.get("authorization", ""))
            self.asked.append(asked)
            answer = self.script(asked)
            writer.write(f"HTTP/1.1 {answer.status} S\r\nconnection: close\r\n{answer.headers}\r\n".encode())
            writer.write(answer.body)
            await writer.drain()
            if answer.stays:
                await self._ended.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def end(self) -> None:
        """Close the connections that stay."""
        self._ended.set()


@asynccontextmanager
async def scripted(script: Callable[[Asked], Answer]) -> AsyncIterator[Scripted]:
    """Such an API server, while it runs."""
    api = Scripted(script)
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.configuration = Configuration()
    api.configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        api.end()
        server.close()
        await server.wait_closed()


def named(name: str, version: int = 1, **rest: Any) -> dict[str, Any]:
    """An object."""
    return {"metadata": {"name": name, "resourceVersion": str(version), **rest}}


def page(*items: dict[str, Any], version: int = 1, more: str = "") -> Answer:
    """A page of a list."""
    return Answer(
        json.dumps({"metadata": {"resourceVersion": str(version), "continue": more}, "items": items}).encode()
    )


def events(*found: tuple[str, dict[str, Any]], stays: bool = True) -> Answer:
    """What a watch says."""
    lines = [json.dumps({"type": kind, "object": each}).encode() + b"\n" for kind, each in found]
    return Answer(b"".join(lines), stays=stays)


EXPIRED = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)"}
