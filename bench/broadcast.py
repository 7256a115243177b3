"""The reference: a bare grpc.aio server that sends the same bytes to every stream. Nothing is decided, nothing is kept.

Run as ``python -m bench.broadcast FILE ADDRESS``: FILE holds the messages of the start, which every stream is sent one
after each request; prints its port (1 for a unix socket). Each path of such a file on its standard input then goes to
all streams at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import uvloop

_OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0))


def pack(messages: Iterable[bytes], path: Path) -> None:
    """Write ``messages`` to ``path``, each behind its length (four bytes)."""
    path.write_bytes(b"".join(len(message).to_bytes(4, "big") + message for message in messages))


def unpack(path: Path) -> list[bytes]:
    """The messages in ``path``."""
    packed, at, messages = path.read_bytes(), 0, []
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "big")
        messages.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    return messages


class Broadcast(grpc.GenericRpcHandler):
    """Serves the start to each stream, and what is sent later to all of them."""

    def __init__(self, start: list[bytes]) -> None:
        self._start = start
        self._queues: set[asyncio.Queue[bytes]] = set()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Every method is the same."""
        return grpc.stream_stream_rpc_method_handler(self._stream)

    def send(self, messages: list[bytes]) -> None:
        """Send to every stream."""
        for queue in self._queues:
            for message in messages:
                queue.put_nowait(message)

    async def _stream(self, _: Any, context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        reader = asyncio.create_task(self._read(context, queue))
        try:
            while True:
                await context.write(await queue.get())
        finally:
            self._queues.discard(queue)
            reader.cancel()

    async def _read(self, context: Any, queue: asyncio.Queue[bytes]) -> None:
        for message in self._start:
            if await context.read() is grpc.aio.EOF:
                return
            queue.put_nowait(message)
        self._queues.add(queue)
        while await context.read() is not grpc.aio.EOF:
            pass


async def serve(start: Path, address: str) -> None:
    """Serve at ``address`` until standard input ends."""
    handler = Broadcast(unpack(start))
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((handler,))
    sys.stdout.write(f"{server.add_insecure_port(address)}\n")
    sys.stdout.flush()
    await server.start()
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        handler.send(unpack(Path(line.decode().strip())))
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2]))
