"""A process of simulated sidecars: obeys JSON lines on its standard input, answers with JSON lines.

Run as ``python -m bench.sidecars``; `bench.fleet` starts several and speaks to them. Commands, by ``do``:

connect   open streams for ``pods`` to ``target``, speaking ``kind`` (delta, sotw, bare); answers when all are synced
watch     from now on look in every response for ``markers`` [[[type URLs], text] ...], on the streams of the pods of
          ``namespace`` (of all when it is empty); answers at once
reached   answers when each of these streams has seen all markers: when the first and the last did
counts    answers with bytes, responses, ACKs and resources by type since the last time, how many streams were sent
          something of each type, and when the last response came
record    answers with what the first stream was sent since the last time, in base64
close     cancels all streams
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import grpc
import grpc.aio
import uvloop

from bench.clients import BareListener, Client, DeltaSidecar, SotwSidecar, node
from bench.mesh import Pod
from bench.responses import Reader, Response

Json = dict[str, Any]
Marker = tuple[frozenset[str], bytes]
_LINE_BYTES: Final = 1 << 28
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection each, as pods have
    ("grpc.max_receive_message_length", -1),
    ("grpc.http2.lookahead_bytes", 16 << 20),  # Envoy's windows are as large
    ("grpc.http2.bdp_probe", 0),
    ("grpc.enable_http_proxy", 0),
)


class Streams:
    """All streams of this process, and what came over them."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []
        self._changed = asyncio.Event()
        self._synced: list[float] = []
        self._reached: list[float] = []
        self._markers: tuple[Marker, ...] = ()
        self._left: dict[int, list[Marker]] = {}
        self._failed = ""
        self._log: list[bytes] = []
        self._last = time.monotonic()
        self._bytes: Counter[str] = Counter()
        self._responses: Counter[str] = Counter()
        self._acks: Counter[str] = Counter()
        self._resources: Counter[str] = Counter()
        self._touched: dict[str, set[int]] = {}
        self._namespaces: list[str] = []

    async def connect(self, command: Json) -> Json:
        """Open a stream for each pod; when the first and the last had all its configuration (monotonic seconds)."""
        self._synced.clear()
        kind, reader = command["kind"], Reader(delta=command["kind"] != "sotw")
        pods = [Pod(**pod) for pod in command["pods"]]
        self._namespaces = [pod.namespace for pod in pods]
        for number, pod in enumerate(pods):
            introduction = node(pod)
            client: Client
            if kind == "bare":
                client = BareListener(introduction, reader, command["messages"])
            else:
                client = (SotwSidecar if kind == "sotw" else DeltaSidecar)(introduction, reader)
            self._tasks.append(asyncio.create_task(self._run(number, client, command["target"], pod.token)))
        await self._until(lambda: len(self._synced) == len(command["pods"]))
        return {"first": min(self._synced), "last": max(self._synced)}

    async def watch(self, command: Json) -> Json:
        """Look for these markers from now on."""
        self._markers = tuple((frozenset(types), text.encode()) for types, text in command["markers"])
        where = command["namespace"]
        self._left = {
            number: list(self._markers) for number, each in enumerate(self._namespaces) if not where or each == where
        }
        self._reached.clear()
        return {}

    async def reached(self, _: Json) -> Json:
        """When the first and the last stream had seen all markers (monotonic seconds); empty when none was to."""
        await self._until(lambda: not self._left)
        return {"first": min(self._reached), "last": max(self._reached)} if self._reached else {}

    async def counts(self, _: Json) -> Json:
        """What came since the last time."""
        answer = {
            "bytes": dict(self._bytes),
            "responses": dict(self._responses),
            "acks": dict(self._acks),
            "resources": dict(self._resources),
            "streams": {type_url: len(numbers) for type_url, numbers in self._touched.items()},
            "last": self._last,
        }
        for counter in (self._bytes, self._responses, self._acks, self._resources, self._touched):
            counter.clear()
        return answer

    async def record(self, _: Json) -> Json:
        """What the first stream was sent since the last time."""
        sent = [base64.b64encode(response).decode() for response in self._log]
        self._log.clear()
        return {"responses": sent}

    async def close(self, _: Json) -> Json:
        """End all streams and their connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self._channels))
        self._tasks.clear()
        self._channels.clear()
        self._left.clear()
        self._log.clear()
        self._failed = ""
        return {}

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._failed:
                raise ConnectionError(self._failed)
            self._changed.clear()
            await self._changed.wait()

    async def _run(self, number: int, client: Client, target: str, token: str) -> None:
        channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._channels.append(channel)
        method: str = client.method  # type: ignore[attr-defined]
        proof = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            call: Any = channel.stream_stream(method)(metadata=proof)
            for request in client.start():
                await call.write(request)
            live = False
            while (response := await call.read()) is not grpc.aio.EOF:
                read, requests = client.receive(response)
                for request in requests:
                    await call.write(request)
                self._count(number, read, response)
                if not live and client.synced:
                    live = True
                    self._synced.append(time.monotonic())
                    self._changed.set()
            self._failed = f"the server ended stream {number}: {await call.code()} {await call.details()}"
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            self._failed = f"stream {number}: {error}"
        self._changed.set()

    def _count(self, number: int, read: Response, response: bytes) -> None:
        self._last, type_url = time.monotonic(), read.type_url
        self._bytes[type_url] += len(response)
        self._responses[type_url] += 1
        self._acks[type_url] += 1
        self._resources[type_url] += len(read.content.names) + len(read.content.removed)
        self._touched.setdefault(type_url, set()).add(number)
        if not number:
            self._log.append(response)
        left = self._left.get(number)
        if left is None:
            return
        left[:] = [(types, text) for types, text in left if type_url not in types or text not in response]
        if not left:
            del self._left[number]
            self._reached.append(self._last)
            self._changed.set()


async def _obey() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    streams = Streams()
    while line := await commands.readline():
        command = json.loads(line)
        try:
            answer = await getattr(streams, command["do"])(command)
        except ConnectionError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await streams.close({})


def main() -> None:
    """Obey until standard input ends."""
    uvloop.run(_obey())


if __name__ == "__main__":
    main()
