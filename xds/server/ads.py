"""xDS over gRPC: streams in, bytes out. One call is one stream's state machine, a reader and a writer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.events import Event
from xds.server.access_logs import AccessLogs, Log, Sink
from xds.server.auth import Admission, Admit, Released, peer
from xds.server.cache import Connection, SnapshotCache
from xds.server.delta import DeltaStream
from xds.server.errors import ProtocolError
from xds.server.head import head
from xds.server.health_checks import Checked, HealthChecks
from xds.server.load_reports import LoadReports, LoadReportSettings, Usage
from xds.server.metrics_service import MetricsService, MetricsSink, S
from xds.server.node import Node, Peer
from xds.server.open_streams import OpenStreams, while_valid
from xds.server.push import WriteBudget
from xds.server.reporter import AdmitReporter, T
from xds.server.services import Method, methods
from xds.server.sotw import SotwStream
from xds.server.stream import Stream
from xds.wire.type_urls import short

log = structlog.get_logger()

Request = discovery_pb2.DeltaDiscoveryRequest | discovery_pb2.DiscoveryRequest


class Server:
    """Serves the sets of ``cache`` to Envoys: add addresses, ``start``, ``stop``.

    ``admit`` decides who is served which group; without it everybody is served, the group that the cache says.
    """

    def __init__(self, cache: SnapshotCache, *, admit: Admit | None = None, released: Released | None = None) -> None:
        self.cache = cache
        self.settings = cache.settings
        self._admit = admit
        self._released = released
        self._streams = OpenStreams("streams", self.settings.max_streams, self.settings.max_streams_of_one)
        self._budget = WriteBudget(self.settings.write_budget_bytes, self.settings.write_patience_s)
        self._grpc = grpc.aio.server(options=_options(self.settings.max_request_bytes, self.settings.keepalive_s))
        self._grpc.add_generic_rpc_handlers(_handlers(self._call))

    def add_plaintext(self, address: str) -> int:
        """Listen without TLS on ``host:port`` or ``unix:/path``; the port that it is, where port 0 was given.

        Errors: OSError when the address cannot be had.
        """
        return self._bound(address, lambda: self._grpc.add_insecure_port(address))

    def add_tls(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """Listen with TLS, as ``add_plaintext``."""
        return self._bound(address, lambda: self._grpc.add_secure_port(address, credentials))

    def add_access_logs(
        self, sink: Sink[T], admit: AdmitReporter[T], others: Mapping[str, Log[T]] = MappingProxyType({})
    ) -> None:
        """Take access logs of proxies that ``admit`` lets in, on the same addresses. Before ``start``.

        Those of the names in ``others`` go there, all the rest to ``sink``.
        """
        self.add_handlers(AccessLogs(sink, admit, others=others).handlers())

    def add_load_reports(self, usage: Usage[T], admit: AdmitReporter[T], settings: LoadReportSettings) -> None:
        """Ask proxies that ``admit`` lets in what they use, on the same addresses. Before ``start``."""
        self.add_handlers(LoadReports(usage, admit, settings).handlers())

    def add_health_checks(self, checked: Checked[T], admit: AdmitReporter[T]) -> None:
        """Have proxies that ``admit`` lets in check what is beside them, on the same addresses. Before ``start``."""
        self.add_handlers(HealthChecks(checked, admit).handlers())

    def add_metrics(self, sink: MetricsSink[T, S], admit: AdmitReporter[T]) -> None:
        """Take what proxies that ``admit`` lets in count, on the same addresses. Before ``start``."""
        self.add_handlers(MetricsService(sink, admit).handlers())

    def add_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Offer other services on the same addresses. Before ``start``."""
        self._grpc.add_generic_rpc_handlers(handlers)

    async def start(self) -> None:
        """Accept streams from now on."""
        await self._grpc.start()
        log.info(Event.SERVER_STARTED)

    async def stop(self, grace_s: float = 0.0) -> None:
        """End all streams, at once or when they have had so many seconds to end by themselves."""
        await self._grpc.stop(grace_s or None)
        log.info(Event.SERVER_STOPPED)

    @staticmethod
    def _bound(address: str, bind: Callable[[], int]) -> int:
        try:
            port = bind()
        except RuntimeError as error:
            reason = str(error).partition(";")[0]  # what follows is advice on debugging grpc
            raise OSError(f"cannot listen on {address}: {reason}") from error
        if not port:
            raise OSError(f"cannot listen on {address}")
        return port

    async def _call(self, method: Method, context: Any) -> None:
        await self._streams.serve(context, lambda: self._serve(method, context))

    async def _serve(self, method: Method, context: Any) -> None:
        data = await self._streams.first(context)
        first = head(data, delta=method.delta)
        who, type_url = first.node, _type_url(method, first.type_url)
        anew = not method.type_url and not first.holds  # of all types, by who was given nothing before
        whence = peer(context, delta=method.delta, type_url=type_url, anew=anew)
        admission = await self._admission(who, whence)
        try:
            with self._streams.one_of(admission.caller):
                request = _parsed(method, data)
                del data
                connection = self._connected(who, whence, admission.group)
                async with while_valid(admission.valid_s, who.id):
                    await self._follow(connection, method, request, context)
        finally:
            if self._released is not None:
                self._released(who, whence, admission)

    async def _follow(self, connection: Connection, method: Method, request: Request, context: Any) -> None:
        """Serve a stream whose first request this is, until it ends."""
        proxy, whence, group = connection.node.id, connection.peer.address, connection.group.name
        log.info(Event.STREAM_OPENED, proxy=proxy, peer=whence, group=group, delta=method.delta)
        writer: asyncio.Task[None] | None = None
        try:
            # Before there is a writer: a refusal that finds the headers half sent cannot tell the client its status.
            await context.send_initial_metadata(())
            reader = asyncio.current_task()
            writer = asyncio.create_task(self._write(connection, context))
            writer.add_done_callback(lambda task: _end_with(task, reader, context))
            self._receive(connection, request)
            while (data := await context.read()) is not grpc.aio.EOF:
                self._receive(connection, _parsed(method, data))
        finally:
            if writer is not None:
                writer.cancel()
            self.cache.disconnect(connection)
            log.info(Event.STREAM_CLOSED, proxy=proxy, peer=whence)

    async def _admission(self, who: Node, whence: Peer) -> Admission:
        if self._admit is None:
            return Admission(self.cache.group_of(who))
        admitted = await self._admit(who, whence)
        return Admission(admitted) if isinstance(admitted, str) else admitted

    def _connected(self, who: Node, whence: Peer, group_name: str) -> Connection:
        group = self.cache.group(group_name)
        kind = DeltaStream if whence.delta else SotwStream
        stream: Stream = kind(who.id, self.cache.names, self.cache.rejections(group, who), self.settings)
        if group.resources is not None:
            stream.offer(group.resources)
        connection = Connection(who, whence, group, stream)
        self.cache.connect(connection)
        return connection

    def _receive(self, connection: Connection, request: Request) -> None:
        stream = connection.stream
        answer = stream.receive(request, time.monotonic())
        if answer is not None:
            if answer.reason is not None:
                _log_rejection(connection, answer.type_url, answer.reason, answer.culprit is not None)
            self.cache.answered(connection, answer)
        self._tell(connection)
        if stream.restless():
            self.cache.turnstile.enter(connection)
        self.cache.check(connection)

    def _tell(self, connection: Connection) -> None:
        if self.cache.on_demand is not None and (asked := connection.stream.take_asked()):
            self.cache.on_demand(connection.group.name, asked)

    async def _write(self, connection: Connection, context: Any) -> None:
        """Write what the stream has to say, whenever it is woken or a deadline passes."""
        stream, turnstile = connection.stream, self.cache.turnstile
        loop, timer = asyncio.get_running_loop(), None
        while True:
            await connection.wake.wait()
            connection.wake.clear()
            self.cache.offer(connection)
            if await self._write_one(connection, context) and stream.restless():
                turnstile.enter(connection)  # others first
                continue
            self.cache.check(connection)
            deadline = stream.deadline()
            if timer is not None:
                timer.cancel()
            timer = None if deadline is None else loop.call_at(deadline, turnstile.enter, connection)

    async def _write_one(self, connection: Connection, context: Any) -> bool:
        """Whether there was a response to write; returns when the connection has taken it."""
        began = time.monotonic()
        pieces = connection.stream.pull(began)
        self._tell(connection)
        if pieces is None:
            return False
        type_url, size_bytes = connection.stream.pulled, sum(map(len, pieces))
        made = time.monotonic()
        share = await self._budget.take(size_bytes)
        try:
            await context.write(b"".join(pieces))
        finally:
            if share is not None:
                share.end()
        self.cache.sent(connection, type_url, size_bytes)
        self.cache.written(connection, type_url, size_bytes, (made - began, time.monotonic() - made))
        return True


def _end_with(writer: asyncio.Task[None], reader: asyncio.Task[Any] | None, context: Any) -> None:
    """End the stream when its writer cannot go on: its reader would wait for answers to what was never sent."""
    if writer.cancelled():
        return
    error = writer.exception()
    if not context.done():  # else the client has gone, which the reader notices
        log.error(Event.STREAM_FAILED, exc_info=error)
    if reader is not None:
        reader.cancel()


def _log_rejection(connection: Connection, type_url: str, reason: str, condemned: bool) -> None:
    event = Event.RESOURCE_CONDEMNED if condemned else Event.RESOURCES_REJECTED
    log.warning(event, proxy=connection.node.id, type=short(type_url), reason=reason)


def _parsed(method: Method, data: bytes) -> Request:
    message: Request = discovery_pb2.DeltaDiscoveryRequest() if method.delta else discovery_pb2.DiscoveryRequest()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ProtocolError("no discovery request") from error
    message.type_url = _type_url(method, message.type_url)
    return message


def _type_url(method: Method, said: str) -> str:
    if method.type_url:
        if said not in ("", method.type_url):
            raise ProtocolError(f"{method.name} does not serve {said}")
        return method.type_url
    if not said:
        raise ProtocolError("a request without type_url")
    return said


def _handlers(call: Callable[[Method, Any], Awaitable[None]]) -> Sequence[grpc.GenericRpcHandler]:
    def handler(method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def behaviour(_requests: Any, context: Any) -> None:
            await call(method, context)

        return grpc.stream_stream_rpc_method_handler(behaviour)

    by_service: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    for method in methods():
        by_service.setdefault(method.service, {})[method.name] = handler(method)
    return [grpc.method_handlers_generic_handler(service, found) for service, found in by_service.items()]


def _options(max_request_bytes: int, keepalive_s: float) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, not a partner
        ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(keepalive_s * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),  # Envoys may probe the connection too
        ("grpc.http2.max_ping_strikes", 0),
    ]
