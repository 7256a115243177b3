"""The open streams of a service: how many there may be, what ends one, and until when its client is believed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

import grpc
import grpc.aio
import structlog

from xds.events import Event
from xds.server.errors import Denied, LimitExceeded, ProtocolError
from xds.server.node import Peer
from xds.server.refuse import refuse

log = structlog.get_logger()

MOST_OF_ONE: Final = 16
"""Streams of one caller, where a proxy has one: some may not have ended yet, and machines may come from one address."""

_OF_ONE_ADDRESS: Final = 16
"""The part of all streams that may wait at one address for who they are of."""


class OpenStreams:
    """The streams of one service, ``most`` at once and ``most_of_one`` of one caller.

    ``kind`` is what a client is told that there are too many of. A client has ``first_s`` seconds to say who it is.
    """

    def __init__(self, kind: str, most: int, most_of_one: int = MOST_OF_ONE, first_s: float = 30.0) -> None:
        self._kind = kind
        self._most = most
        self._most_of_one = most_of_one
        self._first_s = first_s
        self._open = 0
        self._of_one = Counter[str]()
        self._waiting_at = Counter[str]()
        # Many may be behind one address, each for a moment.
        self._most_waiting = max(1, most // _OF_ONE_ADDRESS)

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
            await refuse(context, LimitExceeded(f"{self._open} {self._kind} are open already"))
        self._open += 1
        try:
            await work()
        except (Denied, ProtocolError, LimitExceeded) as error:
            await refuse(context, error)
        finally:
            self._open -= 1

    async def first(self, context: Any) -> bytes:
        """The first message of a stream. Errors: ProtocolError where it does not come.

        Before it nobody knows whose stream it is: strangers must not have them all. LimitExceeded where too many wait
        at one address.
        """
        try:
            with self._waits_at(Peer(context.peer()).host):
                async with asyncio.timeout(self._first_s):
                    data = await context.read()
        except TimeoutError:
            raise ProtocolError(f"there was no message within {self._first_s:g} s") from None
        if data is grpc.aio.EOF:
            raise ProtocolError("there was no message")
        return bytes(data)

    def _waits_at(self, host: str) -> AbstractContextManager[None]:
        most = self._most_waiting
        return _one_more(self._waiting_at, host, most, f"{most} {self._kind} at {host} have not said whose they are")

    def one_of(self, caller: str) -> AbstractContextManager[None]:
        """The block, as a stream of that caller; ``""`` is anybody. Errors: LimitExceeded where it has too many."""
        most = self._most_of_one
        return _one_more(self._of_one, caller, most, f"{most} {self._kind} of {caller} are open already")


@contextmanager
def _one_more(counts: Counter[str], name: str, most: int, refusal: str) -> Iterator[None]:
    """The block, counted under a name; ``""`` may be there without end. Errors: LimitExceeded beyond ``most``."""
    if name and counts[name] >= most:
        raise LimitExceeded(refusal)
    counts[name] += 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]


@asynccontextmanager
async def while_valid(valid_s: float | None, proxy: str) -> AsyncIterator[None]:
    """The block, until the credentials of the proxy of that node id end: then it ends, and the log says so."""
    try:
        async with asyncio.timeout(valid_s):
            yield
    except TimeoutError:
        log.info(Event.CREDENTIALS_EXPIRED, proxy=proxy)
