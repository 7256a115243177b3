"""Load reports (LRS) as the sign of what is used: which clusters of a proxy have had requests. Within limits.

Asked of those proxies alone that somebody wants it of; the streams of the others stay open and cost next to nothing.
Nothing is kept here, and numbers are not read: Envoy counts again with each stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio

from xds.api.envoy.config.endpoint.v3.load_report_pb2 import ClusterStats
from xds.api.envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from xds.server.errors import ProtocolError
from xds.server.open_streams import OpenStreams
from xds.server.reporter import AdmitReporter, T, report, reporting, sender

SERVICE: Final = "envoy.service.load_stats.v3.LoadReportingService"
METHOD: Final = "StreamLoadStats"

_PAUSE_S: Final = 1.0

T_contra = TypeVar("T_contra", contravariant=True)


class Usage(Protocol[T_contra]):
    """Who is told what proxies use. Called in the event loop; never blocks."""

    def wanted(self, proxy: T_contra) -> bool:
        """Whether to ask this proxy."""

    def counted(self, proxy: T_contra) -> None:
        """From now on the proxy counts what it uses."""

    def used(self, proxy: T_contra, clusters: frozenset[str]) -> None:
        """These clusters had requests, or have, since the proxy began to count or told last; others had none."""

    def uncounted(self, proxy: T_contra) -> None:
        """The proxy counts no more, and what it has counted since it told last is lost."""


@dataclass(frozen=True, slots=True)
class LoadReportSettings:
    """What bounds load reports."""

    interval: timedelta = timedelta(minutes=10)
    """How often each proxy that is asked tells: its node comes with each report, 61 KiB."""

    max_streams: int = 20_000
    """Streams open at once, one a proxy. Beyond: RESOURCE_EXHAUSTED."""

    max_message_bytes: int = 4 * 1024 * 1024
    """Bytes of one report: a cluster is some 100."""


class LoadReports(Generic[T]):
    """The load reporting service: ``usage`` is told what those use that ``admit`` has let in."""

    def __init__(self, usage: Usage[T], admit: AdmitReporter[T], settings: LoadReportSettings) -> None:
        self._usage = usage
        self._admit = admit
        self._settings = settings
        self._interval_s = settings.interval.total_seconds()
        self._pause_s = min(_PAUSE_S, self._interval_s / 2)
        self._streams = OpenStreams("load-report streams", settings.max_streams)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._streams.handlers(SERVICE, METHOD, self._serve)

    async def _serve(self, context: Any) -> None:
        # A stream may wait for ever, and what a stranger says of itself is not kept for so long.
        who = sender(self._parsed(await self._streams.first(context)))
        async with reporting(context, who, self._admit, self._streams, delta=True) as reporter:
            proxy = reporter.proxy
            reading = asyncio.ensure_future(context.read())
            try:
                if await self._until(lambda: self._usage.wanted(proxy), reading):
                    await self._follow(proxy, reading, context)
            finally:
                reading.cancel()

    async def _until(self, wanted: Callable[[], bool], reading: asyncio.Future[Any]) -> bool:
        """Return when the stream is wanted, or False when it has ended. Errors: ProtocolError."""
        while not wanted():
            done, _ = await asyncio.wait([reading], timeout=self._interval_s)
            if done and reading.result() is grpc.aio.EOF:
                return False
            if done:
                raise ProtocolError("a report that nobody has asked for")
        return True

    async def _follow(self, proxy: T, reading: asyncio.Future[Any], context: Any) -> None:
        await context.write(self._question())
        self._usage.counted(proxy)
        try:
            data = await reading
            while data is not grpc.aio.EOF:
                self._usage.used(proxy, _used(self._parsed(data)))
                await asyncio.sleep(self._pause_s)  # who tells more often than asked for is read more slowly
                data = await context.read()
        finally:
            self._usage.uncounted(proxy)

    def _question(self) -> bytes:
        question = LoadStatsResponse(send_all_clusters=True)
        question.load_reporting_interval.FromTimedelta(self._settings.interval)
        return question.SerializeToString()

    def _parsed(self, data: bytes) -> LoadStatsRequest:
        return report(LoadStatsRequest, data, self._settings.max_message_bytes, "a load report")


def _used(told: LoadStatsRequest) -> frozenset[str]:
    return frozenset(each.cluster_name for each in told.cluster_stats if _in_use(each))


def _in_use(cluster: ClusterStats) -> bool:
    return any(
        place.total_issued_requests or place.total_requests_in_progress for place in cluster.upstream_locality_stats
    )
