"""The open streams of a service: how many there may be, what ends one, and until when its client is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from xds.events import Event
from xds.server.errors import Denied, LimitExceeded, ProtocolError
from xds.server.refuse import refuse

log = structlog.get_logger()


class OpenStreams:
    """The streams of one service, ``most`` at once; ``kind`` is what a client is told that there are too many of."""

    def __init__(self, kind: str, most: int) -> None:
        self._kind = kind
        self._most = most
        self._open = 0

    def handlers(
        self, service: str, method: str, serve: Callable[[Any], Awaitable[None]]
    ) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given for a method that streams both ways, each of whose calls ``serve`` serves."""

        async def call(_messages: Any, context: Any) -> None:
            await self.serve(context, lambda: serve(context))

        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(call)
        return [grpc.method_handlers_generic_handler(service, {method: handler})]

    def answered(
        self, service: str, method: str, serve: Callable[[Any], Awaitable[None]], answer: bytes
    ) -> Sequence[grpc.GenericRpcHandler]:
        """The same for a method whose clients alone stream, and are given ``answer`` when they have ended."""

        async def call(_messages: Any, context: Any) -> bytes:
            await self.serve(context, lambda: serve(context))
            return answer

        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(call)
        return [grpc.method_handlers_generic_handler(service, {method: handler})]

    async def serve(self, context: Any, work: Callable[[], Awaitable[None]]) -> None:
        """Have ``work`` serve the stream of a call. What it refuses, and one too many, ends the call with a status."""
        if self._open >= self._most:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._open} {self._kind} are open already")
        self._open += 1
        try:
            await work()
        except (Denied, ProtocolError, LimitExceeded) as error:
            await refuse(context, error)
        finally:
            self._open -= 1


@asynccontextmanager
async def while_valid(valid_s: float | None, proxy: str) -> AsyncIterator[None]:
    """The block, until the credentials of the proxy of that node id end: then it ends, and the log says so."""
    try:
        async with asyncio.timeout(valid_s):
            yield
    except TimeoutError:
        log.info(Event.CREDENTIALS_EXPIRED, proxy=proxy)
