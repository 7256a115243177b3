"""Envoy's gRPC access logs: entries in, to a sink, from proxies that have proven who they are. Within limits.

What a sidecar sends is as bounded as what it is sent: an entry beyond the rate of its stream is dropped and counted, a
message beyond its size ends the stream. Nothing is kept here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic

import grpc
import grpc.aio

from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from xds.api.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from xds.server.auth import peer
from xds.server.errors import ProtocolError
from xds.server.node import node
from xds.server.open_streams import OpenStreams, while_valid
from xds.server.reporter import AdmitReporter, T, report

SERVICE: Final = "envoy.service.accesslog.v3.AccessLogService"
METHOD: Final = "StreamAccessLogs"
_PAUSE_S: Final = 0.5

Entry = HTTPAccessLogEntry | TCPAccessLogEntry


Sink = Callable[[T, Sequence[Entry], int], None]
"""Takes the proxy, the entries of a message, and how many more were dropped. Called in the event loop; never blocks."""


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    """What bounds access logs."""

    max_streams: int = 40_000
    """Streams open at once: each proxy has one for requests and one for connections. Beyond: RESOURCE_EXHAUSTED."""

    max_message_bytes: int = 1024 * 1024
    """Bytes of one message. Envoy sends at 16 KiB, and 61 KiB of node with the first."""

    entries_per_s: float = 200.0
    """Entries of one stream in a second, for as long as it likes. Who is refused more often is told of no more."""

    burst: int = 500
    """Entries of one stream at once: 15 ms of work."""

    all_entries_per_s: float = 5_000.0
    """Entries of all streams together in a second: at 30 us each a sixth of a core."""


RECORDS: Final = AccessLogSettings(entries_per_s=5_000.0, burst=20_000, all_entries_per_s=10_000.0)
"""What bounds a log that is only sent while somebody looks at it."""


@dataclass(frozen=True, slots=True)
class Log(Generic[T]):
    """Where the entries of a log of one name go, and what bounds it."""

    sink: Sink[T]
    settings: AccessLogSettings = AccessLogSettings()


class AccessLogs(Generic[T]):
    """The access-log service: what ``sink`` is given comes from whom ``admit`` has let in.

    ``others`` are logs that are bounded by themselves, by their names; all the rest goes to ``sink``.
    """

    def __init__(
        self,
        sink: Sink[T],
        admit: AdmitReporter[T],
        settings: AccessLogSettings = AccessLogSettings(),
        others: Mapping[str, Log[T]] = MappingProxyType({}),
    ) -> None:
        self._admit = admit
        self._settings = settings
        self._rest = _Taken(Log(sink, settings))
        self._others = {name: _Taken(log) for name, log in others.items()}
        self._streams = OpenStreams("access-log streams", settings.max_streams)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._streams.answered(SERVICE, METHOD, self._serve, StreamAccessLogsResponse().SerializeToString())

    async def _serve(self, context: Any) -> None:
        data = await context.read()
        if data is grpc.aio.EOF:
            return
        message = self._parsed(data)
        if not message.HasField("identifier"):
            raise ProtocolError("the first message names no node")
        who = node(message.identifier.node)
        reporter = await self._admit(who, peer(context, delta=False, type_url=""))
        taken = self._others.get(message.identifier.log_name, self._rest)
        allowance = taken.allowance()
        async with while_valid(reporter.valid_s, who.id):
            await taken.take(reporter.proxy, message, allowance)
            while (data := await context.read()) is not grpc.aio.EOF:
                await taken.take(reporter.proxy, self._parsed(data), allowance)

    def _parsed(self, data: bytes) -> StreamAccessLogsMessage:
        return report(StreamAccessLogsMessage, data, self._settings.max_message_bytes, "an access-log message")


class _Taken(Generic[T]):
    """One log, with what all its streams together may still send."""

    def __init__(self, log: Log[T]) -> None:
        self._sink = log.sink
        self._settings = log.settings
        self._common = _Allowance(log.settings.all_entries_per_s, log.settings.all_entries_per_s)

    def allowance(self) -> _Allowance:
        """What one stream may send."""
        return _Allowance(self._settings.entries_per_s, self._settings.burst)

    async def take(self, proxy: T, message: StreamAccessLogsMessage, allowance: _Allowance) -> None:
        """Pass on what is allowed of a message."""
        entries: Sequence[Entry] = (*message.http_logs.log_entry, *message.tcp_logs.log_entry)
        taken = self._common.take(allowance.take(len(entries)))
        self._sink(proxy, entries[:taken], len(entries) - taken)
        if taken < len(entries):
            await asyncio.sleep(_PAUSE_S)  # who sends too much is also read more slowly


class _Allowance:
    """How many entries may still come: a bucket that fills with time."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = time.monotonic()

    def take(self, wanted: int) -> int:
        """How many of the wanted are allowed; they are taken."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken
