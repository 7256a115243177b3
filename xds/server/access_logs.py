"""Envoy's gRPC access logs: entries in, to a sink, from proxies that have proven who they are. Within limits.

What a sidecar sends is as bounded as what it is sent: an entry beyond its rate is dropped and counted, over however
many streams it comes, and a message beyond its size ends the stream. Nothing is kept here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Generic

import grpc
import grpc.aio

from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from xds.api.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from xds.server.open_streams import OpenStreams
from xds.server.reporter import AdmitReporter, Reporter, T, report, reporting, sender

SERVICE: Final = "envoy.service.accesslog.v3.AccessLogService"
METHOD: Final = "StreamAccessLogs"

Entry = HTTPAccessLogEntry | TCPAccessLogEntry


Sink = Callable[[T, Sequence[Entry], int], None]
"""Takes the proxy, the entries of a message, and how many more were dropped. Called in the event loop; never blocks."""


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    """What bounds access logs."""

    max_streams: int = 40_000
    """Streams open at once: each proxy has one for requests and one for connections. Beyond: RESOURCE_EXHAUSTED."""

    max_streams_of_one: int = 512
    """The same of one caller: Envoy has a stream for each log, kind of traffic and worker thread that has had any."""

    max_message_bytes: int = 1024 * 1024
    """Bytes of one message. Envoy sends at 16 KiB, and 61 KiB of node with the first."""

    entries_per_s: float = 200.0
    """Entries of one caller in a second, for as long as it likes. Who is refused more often is told of no more."""

    burst: int = 500
    """Entries of one caller at once: 15 ms of work."""

    all_entries_per_s: float = 5_000.0
    """Entries of all callers together in a second: at 30 us each a sixth of a core."""

    pause_s: float = 0.5
    """How long a stream that sends too much is not read then. Its Envoy keeps 16 KiB and drops the rest."""

    crowded_pause_s: float = 0.5
    """The same where it is all streams together that send too much."""


RECORDS: Final = AccessLogSettings(entries_per_s=10_000.0, burst=20_000, all_entries_per_s=10_000.0)
"""What bounds a log that is only sent while somebody looks at it."""

FAILURES: Final = AccessLogSettings(
    entries_per_s=20.0, burst=100, all_entries_per_s=500.0, pause_s=0.05, crowded_pause_s=1.0
)
"""What bounds a log of what fails: it must cost next to nothing when everything fails everywhere.

The pause is short, for what waits in between is old when it comes: 16 KiB in it are some 600 entries a second.
"""


@dataclass(frozen=True, slots=True)
class Log(Generic[T]):
    """Where the entries of a log of one name go, and what bounds it.

    ``rather``: where those of some proxies go instead, while it is true of them.
    """

    sink: Sink[T]
    settings: AccessLogSettings = AccessLogSettings()
    rather: tuple[Callable[[T], bool], Log[T]] | None = None


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
        self._streams = OpenStreams("access-log streams", settings.max_streams, settings.max_streams_of_one)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._streams.answered(SERVICE, METHOD, self._serve, StreamAccessLogsResponse().SerializeToString())

    async def _serve(self, context: Any) -> None:
        message = self._parsed(await self._streams.first(context))
        who = sender(message.identifier)
        taken = self._others.get(message.identifier.log_name, self._rest)
        async with reporting(context, who, self._admit, self._streams, delta=False) as reporter:
            stream = _OfStream(taken, reporter)
            await stream.take(message)
            while (data := await context.read()) is not grpc.aio.EOF:
                await stream.take(self._parsed(data))

    def _parsed(self, data: bytes) -> StreamAccessLogsMessage:
        return report(StreamAccessLogsMessage, data, self._settings.max_message_bytes, "an access-log message")


class _Taken(Generic[T]):
    """One log, with what all its streams together may still send."""

    def __init__(self, log: Log[T]) -> None:
        self.log = log
        self.rather: _Taken[T] | None = _Taken(log.rather[1]) if log.rather is not None else None
        self.common = _Allowance(log.settings.all_entries_per_s, log.settings.all_entries_per_s)
        self._of_one: dict[str, _Allowance] = {}  # in the order in which they sent last

    def of(self, caller: str) -> _Allowance:
        """What one caller may still send, over all its streams: else who has many silences all others."""
        found = self._of_one.pop(caller, None) or _Allowance(self.log.settings.entries_per_s, self.log.settings.burst)
        self._of_one[caller] = found
        # More leave than come. Who may send all of it again needs not be remembered.
        for each in list(islice(self._of_one, 2)):
            if each != caller and self._of_one[each].whole:
                del self._of_one[each]
        return found


class _OfStream(Generic[T]):
    """One log as one stream sends it."""

    def __init__(self, taken: _Taken[T], reporter: Reporter[T]) -> None:
        self._taken = taken
        self._proxy = reporter.proxy
        self._caller = reporter.caller or f"stream {id(self)}"
        self._rather: _OfStream[T] | None = _OfStream(taken.rather, reporter) if taken.rather is not None else None

    async def take(self, message: StreamAccessLogsMessage) -> None:
        """Pass on what is allowed of a message; returns when more may come."""
        log = self._taken.log
        if self._rather is not None and log.rather is not None and log.rather[0](self._proxy):
            await self._rather.take(message)
            return
        requests, connections = message.http_logs.log_entry, message.tcp_logs.log_entry
        count = len(requests) + len(connections)
        own = self._taken.of(self._caller).take(count)
        taken = self._taken.common.take(own)
        entries: Sequence[Entry] = (*requests[:taken], *connections[: max(0, taken - len(requests))])
        log.sink(self._proxy, entries, count - taken)
        if taken < count:  # who sends too much is also read more slowly
            await asyncio.sleep(log.settings.pause_s if taken == own else log.settings.crowded_pause_s)


class _Allowance:
    """How many entries may still come: a bucket that fills with time."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = time.monotonic()

    @property
    def whole(self) -> bool:
        """Whether it is full again."""
        return self._filled(time.monotonic()) >= self._burst

    def _filled(self, now: float) -> float:
        return min(self._burst, self._left + (now - self._at) * self._per_s)

    def take(self, wanted: int) -> int:
        """How many of the wanted are allowed; they are taken."""
        now = time.monotonic()
        self._left, self._at = self._filled(now), now
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken
