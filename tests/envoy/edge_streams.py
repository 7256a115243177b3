"""A client for tests that holds streams to a gateway open over TLS, for as long as it runs, and tells which still are.

``GET /ADDRESS/PORT/NAME...`` on port 8080 sends one message over a websocket (HTTP/1.1) and a gRPC stream (HTTP/2) to
each name, waits for the echoes, and answers with what was wrong by stream; one that is broken, or new, is opened.
The argument is the authorities of the gateway's certificates, PEM.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import grpc
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

Send = Callable[[str], Awaitable[str]]
PATIENCE_S: Final = 30.0


class Door(NamedTuple):
    """Where a gateway listens, and who vouches for it."""

    address: str
    port: int
    authorities: bytes


class Websocket:
    """One websocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = WSConnection(ConnectionType.CLIENT)

    async def open(self, name: str) -> None:
        """Ask for it, and wait for the greeting."""
        self._writer.write(self._connection.send(Request(host=name, target="/")))
        assert isinstance(await self._event(AcceptConnection), AcceptConnection)
        await self._event(TextMessage)

    async def send(self, text: str) -> str:
        """Send a message; answers with the next one that comes."""
        self._writer.write(self._connection.send(TextMessage(data=text)))
        return str((await self._event(TextMessage)).data)

    async def _event(self, kind: type) -> Any:
        while True:
            for event in self._connection.events():
                if isinstance(event, kind):
                    return event
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError("the websocket was closed")
            self._connection.receive_data(data)


async def websocket(door: Door, name: str) -> Send:
    """Send over a websocket of its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    opened = Websocket(*await asyncio.open_connection(door.address, door.port, ssl=context, server_hostname=name))
    await opened.open(name)
    return opened.send


async def rpc(door: Door, name: str) -> Send:
    """Send over a gRPC stream on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(door.authorities)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", name),
               ("grpc.default_authority", name)]  # fmt: skip
    channel = grpc.aio.secure_channel(f"{door.address}:{door.port}", credentials, options=options)
    stream: Any = channel.stream_stream("/test.Streams/Both")()
    kept.append(channel)

    async def send(text: str) -> str:
        await stream.write(text.encode())
        answer = await stream.read()
        return str(answer.decode()) if isinstance(answer, bytes) else "the stream ended"

    return send


kept: list[Any] = []
KINDS: Final = {"websocket": websocket, "grpc": rpc}


class Streams:
    """All streams, by kind and name."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Send] = {}
        self._round = itertools.count(1)

    async def round(self, door: Door, names: list[str]) -> dict[str, str]:
        """What is wrong with each; one that is broken or new is opened."""
        text, told = f"round {next(self._round)}", {}
        for kind, name in itertools.product(KINDS, names):
            told[f"{kind} {name}"] = await self._one((kind, name), door, text)
        return told

    async def _one(self, key: tuple[str, str], door: Door, text: str) -> str:
        kind, name = key
        try:
            async with asyncio.timeout(PATIENCE_S):
                if key not in self._open:
                    self._open[key] = await KINDS[kind](door, name)
                    await self._open[key]("hello")
                    return "opened"
                answer = await self._open[key](text)
        except Exception as error:
            self._open.pop(key, None)
            return repr(error)
        if answer != text:
            self._open.pop(key, None)
        return "" if answer == text else f"answered {answer[:80]!r}"


async def main(authorities: bytes) -> None:
    """Answer until stopped."""
    streams = Streams()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        address, port, *names = head.split()[1].decode().strip("/").split("/")
        body = json.dumps(await streams.round(Door(address, int(port), authorities), names)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 8080)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].encode()))
