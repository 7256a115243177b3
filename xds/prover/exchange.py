"""The one xDS stream of a prover: what is sent over it, and the answer to each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from xds.api.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.prover.bootstrap import SLOT
from xds.wire.codec import pack
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_METHOD: Final = "DeltaAggregatedResources"
_FIRST: Final[dict[str, list[Message]]] = {CLUSTER: [], LISTENER: [], ROUTE: [RouteConfiguration(name=SLOT)]}


class Gone(Exception):
    """The prover has ended, or does not answer: ``silent``."""

    def __init__(self, why: str, *, silent: bool = False) -> None:
        super().__init__(why)
        self.silent = silent


class Exchange:
    """The server's side of a prover's stream; at most one prover is connected.

    ``arrived`` is told the version and build of each that comes, before it is ready.
    """

    def __init__(self, arrived: Callable[[str], None] = lambda _: None) -> None:
        self._arrived = arrived
        self._responses: asyncio.Queue[discovery_pb2.DeltaDiscoveryResponse | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[str | None]] = {}
        self._nonces = 0
        self._greeted: set[str] = set()
        self._stream: object = None
        self.version = ""
        """What the prover says of its version and build."""
        self.arrivals = 0
        """How often one has become ready."""
        self.ready = asyncio.Event()
        """Set while a prover is connected and has everything that it needs to judge."""

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server offers to the prover."""
        return grpc.method_handlers_generic_handler(
            _SERVICE, {_METHOD: grpc.stream_stream_rpc_method_handler(self._serve)}
        )

    async def ask(
        self, type_url: str, messages: Iterable[tuple[str, Message]], removed: Iterable[str], limit_s: float
    ) -> str | None:
        """Why the prover refuses a response with ``messages`` (by resource name); None when it takes them.

        Errors: Gone.
        """
        if not self.ready.is_set():
            raise Gone("is not connected")
        answer = self._send(type_url, messages, removed)
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError:
            self.lost("does not answer")
            raise Gone("does not answer", silent=True) from None

    def lost(self, why: str) -> None:
        """The prover is there no more: who waits for an answer gets none."""
        self.ready.clear()
        self._greeted.clear()
        answers, self._answers = self._answers, {}
        for each in answers.values():
            if not each.done():
                each.set_exception(Gone(why))
                each.exception()  # nobody may be waiting any more
        self._responses.put_nowait(None)  # its stream ends: one that was only slow begins another
        self._responses = asyncio.Queue()

    def _send(
        self, type_url: str, messages: Iterable[tuple[str, Message]], removed: Iterable[str]
    ) -> asyncio.Future[str | None]:
        self._nonces += 1
        nonce = str(self._nonces)
        resources = [
            discovery_pb2.Resource(name=name, version=nonce, resource=pack(message)) for name, message in messages
        ]
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=type_url, nonce=nonce, resources=resources, removed_resources=removed
        )
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[nonce] = answer
        self._responses.put_nowait(response)
        return answer

    async def _serve(self, _: Any, context: Any) -> None:
        self.lost("was replaced by another")
        self._stream = context
        reader = asyncio.create_task(self._read(context))
        responses = self._responses
        taking: asyncio.Task[discovery_pb2.DeltaDiscoveryResponse | None] | None = None
        try:
            while not reader.done():
                taking = asyncio.create_task(responses.get())
                await asyncio.wait([taking, reader], return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    continue
                if (response := taking.result()) is None:
                    break
                await context.write(response.SerializeToString())
        finally:
            reader.cancel()
            if taking is not None:
                taking.cancel()
            if self._stream is context:
                self.lost("has ended")

    async def _read(self, context: Any) -> None:
        while (data := await context.read()) is not grpc.aio.EOF:
            request = discovery_pb2.DeltaDiscoveryRequest.FromString(data)
            if request.HasField("node"):
                self.version = str(request.node.user_agent_build_version)
            answer = self._answers.pop(request.response_nonce, None)
            if answer is not None:
                if not answer.done():
                    refused = request.HasField("error_detail")
                    answer.set_result(request.error_detail.message if refused else None)
                self._greet_done(request.type_url)
            elif request.type_url in _FIRST and request.type_url not in self._greeted:
                self._greeted.add(request.type_url)
                self._send(request.type_url, [(SLOT, each) for each in _FIRST[request.type_url]], ())
            if request.resource_names_subscribe:
                self._say_nothing(request.type_url, request.resource_names_subscribe)

    def _say_nothing(self, type_url: str, names: Sequence[str]) -> None:
        """Answer what a candidate asks for, as Envoy takes no further cluster, nor ACKs one, while one is warming."""
        if type_url == ENDPOINT:
            self._send(type_url, [(name, ClusterLoadAssignment(cluster_name=name)) for name in names], ())
        elif type_url == SECRET:
            self._send(type_url, (), names)

    def _greet_done(self, type_url: str) -> None:
        if type_url == ROUTE and self._greeted >= _FIRST.keys():
            self.arrivals += 1
            self._arrived(self.version)
            self.ready.set()
