"""Envoy's metrics service: what sidecars count, to a sink, from proxies that have proven who they are. Within limits.

A message beyond its size ends the stream; series beyond their number are dropped and counted; who sends more often than
it should is read more slowly. Of a stream is kept which series it has told of, nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import grpc
import grpc.aio

from xds.api.envoy.service.metrics.v3.metrics_service_pb2 import StreamMetricsResponse
from xds.server.auth import peer
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.metric_messages import Series, Value, identified, values
from xds.server.node import node
from xds.server.open_streams import OpenStreams, while_valid
from xds.server.reporter import AdmitReporter, T

SERVICE: Final = "envoy.service.metrics.v3.MetricsService"
METHOD: Final = "StreamMetrics"

_PAUSE_S: Final = 0.5
_SLICE: Final = 200  # series that are read in one turn of the event loop: 1 ms

S = TypeVar("S")
T_contra = TypeVar("T_contra", contravariant=True)


class Counted(NamedTuple, Generic[S]):
    """What was counted under ``under`` since the proxy told last."""

    under: S
    value: Value


class MetricsSink(Protocol[T_contra, S]):
    """Who is told what proxies count. Called in the event loop; never blocks."""

    @property
    def names(self) -> frozenset[str]:
        """The metrics that it wants to be told of."""

    def under(self, proxy: T_contra, series: Series) -> S | None:
        """What a series is counted under, asked once a stream; None when it is not wanted."""

    def counted(self, proxy: T_contra, counted: Sequence[Counted[S]], dropped: int) -> None:
        """What a proxy has counted, and of how many series more that was dropped."""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """What bounds metrics."""

    max_streams: int = 20_000
    """Streams open at once, one a proxy. Beyond: RESOURCE_EXHAUSTED."""

    max_message_bytes: int = 4 * 1024 * 1024
    """Bytes of one message: a histogram is 2 KB, and Envoy's own bounds are 2000 counters and 500 histograms."""

    max_series: int = 2_500
    """Series of one message that are read, at 5 us each. What is beyond is dropped and counted."""

    max_known: int = 5_000
    """Series that are remembered of one stream, some 200 bytes each. Beyond, it begins anew."""


class MetricsService(Generic[T, S]):
    """The metrics service: what ``sink`` is told comes from whom ``admit`` has let in."""

    def __init__(
        self, sink: MetricsSink[T, S], admit: AdmitReporter[T], settings: MetricsSettings = MetricsSettings()
    ) -> None:
        self._sink = sink
        self._admit = admit
        self._settings = settings
        self._streams = OpenStreams("metrics streams", settings.max_streams)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._streams.answered(SERVICE, METHOD, self._serve, StreamMetricsResponse().SerializeToString())

    async def _serve(self, context: Any) -> None:
        data = await context.read()
        if data is grpc.aio.EOF:
            return
        self._check(data)
        first = identified(data)
        if first is None:
            raise ProtocolError("the first message names no node")
        who = node(first.identifier.node)
        del first
        reporter = await self._admit(who, peer(context, delta=False, type_url=""))
        stream = _Stream(self._sink, reporter.proxy, self._settings)
        async with while_valid(reporter.valid_s, who.id):
            await stream.take(data)
            while (data := await context.read()) is not grpc.aio.EOF:
                self._check(data)
                await stream.take(data)

    def _check(self, data: bytes) -> None:
        if len(data) > self._settings.max_message_bytes:
            raise LimitExceeded(f"a metrics message of {len(data)} bytes")


class _Stream(Generic[T, S]):
    """What one proxy tells."""

    def __init__(self, sink: MetricsSink[T, S], proxy: T, settings: MetricsSettings) -> None:
        self._sink = sink
        self._proxy = proxy
        self._settings = settings
        self._names = sink.names
        self._known: dict[bytes, S | None] = {}

    async def take(self, data: bytes) -> None:
        """Tell the sink what is in a message. Errors: ProtocolError."""
        counted = list[Counted[S]]()
        dropped = 0
        for number, value in enumerate(values(data, self._names)):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            if number >= self._settings.max_series:
                dropped += 1
                continue
            if value.key not in self._known:
                self._learn(value.key, self._sink.under(self._proxy, value.series()))
            under = self._known[value.key]
            if under is not None:
                counted.append(Counted(under, value))
        self._sink.counted(self._proxy, counted, dropped)
        await asyncio.sleep(_PAUSE_S)  # who tells more often than it should is read more slowly

    def _learn(self, key: bytes, under: S | None) -> None:
        if len(self._known) >= self._settings.max_known:
            self._known.clear()
        self._known[key] = under
