"""A client for tests that holds many streams open: websockets, gRPC streams and TCP connections.

``GET /round`` on port 8080 sends one message over each, waits for its echo, and tells how many answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

Send = Callable[[str], Awaitable[str]]
PATIENCE_S = 30.0


async def websocket(host: str, port: int) -> Send:
    """Send over a websocket of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    connection = WSConnection(ConnectionType.CLIENT)
    texts: asyncio.Queue[str] = asyncio.Queue()
    accepted = asyncio.Event()

    async def read() -> None:
        pieces = ""
        while data := await reader.read(65536):
            connection.receive_data(data)
            for event in connection.events():
                if isinstance(event, AcceptConnection):
                    accepted.set()
                elif isinstance(event, TextMessage):
                    pieces += event.data
                    if event.message_finished:
                        texts.put_nowait(pieces)
                        pieces = ""
        raise ConnectionError("the websocket was closed")

    reading = asyncio.create_task(read())
    writer.write(connection.send(Request(host=host, target="/")))
    await accepted.wait()
    await texts.get()  # the greeting

    async def send(text: str) -> str:
        if reading.done():
            reading.result()
        writer.write(connection.send(TextMessage(data=text)))
        return await texts.get()

    return send


async def rpc(host: str, port: int) -> Send:
    """Send over a gRPC stream on a connection of its own."""
    channel = grpc.aio.insecure_channel(f"{host}:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
    stream: Any = channel.stream_stream("/test.Streams/Both")()
    kept.append(channel)

    async def send(text: str) -> str:
        await stream.write(text.encode())
        answer = await stream.read()
        return str(answer.decode()) if isinstance(answer, bytes) else ""

    return send


async def tcp(host: str, port: int) -> Send:
    """Send lines over a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    await reader.readline()  # the greeting

    async def send(text: str) -> str:
        writer.write(f"{text}\n".encode())
        return (await reader.readline()).decode().rstrip("\n")

    return send


kept: list[Any] = []


KINDS: Final = (("websocket", websocket, 80), ("grpc", rpc, 7070), ("tcp", tcp, 9000))


@dataclass(slots=True)
class Stream:
    """One of them, and how to open another."""

    kind: str
    again: Callable[[], Awaitable[Send]]
    send: Send


class Streams:
    """All streams."""

    def __init__(self) -> None:
        self._open: list[Stream] = []
        self._round = 0

    async def open(self, count: int, hosts: Sequence[str]) -> None:
        """Open ``count`` of each kind to each host."""
        for host, (kind, opened, port) in itertools.product(hosts, KINDS):
            again = partial(opened, host, port)
            self._open += [Stream(kind, again, await again()) for _ in range(count)]

    async def round(self) -> dict[str, Any]:
        """Send over each; how many of a kind answered, and what went wrong. What is broken is opened again."""
        self._round += 1
        text = f"round {self._round}"
        problems = await asyncio.gather(*(self._one(each, text) for each in self._open))
        alive = Counter(each.kind for each, problem in zip(self._open, problems, strict=True) if not problem)
        told = {f"{each.kind}: {problem}" for each, problem in zip(self._open, problems, strict=True) if problem}
        return {"alive": dict(alive), "problems": sorted(told)}

    @staticmethod
    async def _one(stream: Stream, text: str) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await stream.send(text)
        except Exception as error:
            problem = repr(error)
        else:
            problem = "" if answer == text else f"answered {answer[:80]!r}"
        if problem:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(PATIENCE_S):
                    stream.send = await stream.again()
        return problem


async def main(count: int, hosts: Sequence[str]) -> None:
    """Open so many streams to each host when first asked, and answer until stopped."""
    streams = Streams()
    opening: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not opening:
            opening.append(asyncio.create_task(streams.open(count, hosts)))
        await opening[0]
        body = json.dumps(await streams.round()).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 8080)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
