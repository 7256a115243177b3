"""The metrics service over real gRPC: who may tell, what is dropped, refused or read slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from tests.unit.telemetry.told import Call, counter, histogram, message, requests
from xds.api.third_party.io.prometheus.client.metrics_pb2 import Metric
from xds.model.proxy import Proxy
from xds.server import Denied, Node, Peer, Reason, Reporter, Server, SnapshotCache
from xds.server.metric_messages import Series
from xds.server.metrics_service import METHOD, SERVICE, Counted, MetricsService, MetricsSettings

LIMIT_S = 60
SMALL = MetricsSettings(max_streams=2, max_message_bytes=100_000, max_series=20, max_known=5)


class Told:
    """A sink that keeps what it is told, and an admission that knows all but one."""

    def __init__(self) -> None:
        self.asked: list[Series] = []
        self.events: asyncio.Queue[tuple[str, list[tuple[str, float, list[int]]], int]] = asyncio.Queue()

    async def admit(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        if node.id == "liar":
            raise Denied("it is somebody else", Reason.PERMISSION_DENIED)
        return Reporter(Proxy(node.id), 0.3 if node.id == "expiring" else None)

    @property
    def names(self) -> frozenset[str]:
        return frozenset({"istio_requests_total", "istio_request_duration_milliseconds"})

    def under(self, proxy: Proxy, series: Series) -> str | None:
        self.asked.append(series)
        return series.labels.get("response_code", series.name)

    def counted(self, proxy: Proxy, counted: Sequence[Counted[str]], dropped: int) -> None:
        found = [(under, value.count, value.below()) for under, value in counted]
        self.events.put_nowait((proxy.id, found, dropped))

    async def next(self) -> tuple[str, list[tuple[str, float, list[int]]], int]:
        return await asyncio.wait_for(self.events.get(), LIMIT_S)


Stub = grpc.aio.StreamUnaryMultiCallable[bytes, bytes]


@asynccontextmanager
async def serving(told: Told, limits: MetricsSettings = SMALL) -> AsyncIterator[Stub]:
    server = Server(SnapshotCache())
    server.add_handlers(MetricsService(told, told.admit, limits).handlers())
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.stream_unary(f"/{SERVICE}/{METHOD}")
    finally:
        await server.stop()


async def test_what_was_counted_is_told_and_labels_are_read_once() -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        families = requests(Call(), 3, "200", [2.0, 7.0])
        unchanged = counter("istio_requests_total", Call().labels(response_code="404"), 0)
        unwanted = counter("server.uptime", {}, 7)
        await call.write(message([*families, unchanged, unwanted], "web").SerializeToString())
        below = [0, 0, 1, *[2] * 12]
        wanted = [("200", 3.0, []), ("istio_request_duration_milliseconds", 2.0, below)]
        assert await told.next() == ("web", wanted, 0)
        assert [series.labels["destination_workload"] for series in told.asked] == ["db", "db"]
        assert told.asked[1].bounds[:3] == (0.5, 1, 5)
        await call.write(message(requests(Call(), 4)).SerializeToString())
        assert await told.next() == ("web", [("200", 4.0, [])], 0)
        assert len(told.asked) == 2
        await call.done_writing()
        await call


async def test_what_is_beyond_the_limits_of_a_message_is_dropped_and_counted() -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        many = [each for code in range(100, 130) for each in requests(Call(), 1, str(code))]
        await call.write(message(many, "web").SerializeToString())
        _, found, dropped = await told.next()
        assert (len(found), dropped) == (20, 10)
        await call.write(message(requests(Call(), 1, "100")).SerializeToString())
        assert await told.next() == ("web", [("100", 1.0, [])], 0), "it is understood again after it was forgotten"


async def test_numbers_that_are_none_are_not_counted() -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        bad = [requests(Call(), number, "200")[0] for number in (float("nan"), float("inf"), -1.0)]
        odd = histogram("istio_request_duration_milliseconds", {}, [1.0])
        odd.metric[0].histogram.sample_sum = float("nan")
        await call.write(message([*bad, odd, *requests(Call(), 2, "404")], "web").SerializeToString())
        assert await told.next() == ("web", [("404", 2.0, [])], 0)


@pytest.mark.parametrize(
    ("first", "more", "status"),
    [
        (message([], "liar"), b"", grpc.StatusCode.PERMISSION_DENIED),
        (message([]), b"", grpc.StatusCode.INVALID_ARGUMENT),
        (message([], "web"), b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (
            message([], "web"),
            message([counter("x" * 100_000, {}, 1)]).SerializeToString(),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        ),
        (
            message([], "web"),
            b'\x12\x1f\n\x14istio_requests_total"\x07\n\x02\xff\xff\x1a\x01\x00',
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
async def test_what_is_refused(first: object, more: bytes, status: grpc.StatusCode) -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        await call.write(first.SerializeToString())  # type: ignore[attr-defined]
        if more:
            await told.next()
            await call.write(more)
        assert await asyncio.wait_for(call.code(), LIMIT_S) is status
    assert told.events.empty()


async def test_one_stream_too_many() -> None:
    told = Told()
    async with serving(told) as stub:
        calls = [stub() for _ in range(2)]
        for number, call in enumerate(calls):
            await call.write(message([], f"web-{number}").SerializeToString())
            await told.next()
        third = stub()
        assert await asyncio.wait_for(third.code(), LIMIT_S) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stream_ends_with_its_credentials() -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        await call.write(message([], "expiring").SerializeToString())
        assert await asyncio.wait_for(call.code(), LIMIT_S) is grpc.StatusCode.OK


async def test_who_tells_more_often_than_it_should_is_read_slowly() -> None:
    told = Told()
    async with serving(told) as stub:
        call = stub()
        began = time.monotonic()
        for _ in range(3):
            await call.write(message([], "web").SerializeToString())
        for _ in range(3):
            await told.next()
        assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize("name", ["istio_requests_total", "istio_request_duration_milliseconds"])
async def test_a_message_of_nothing_but_empty_series_is_refused_rather_than_looked_through(name: str) -> None:
    told = Told()
    async with serving(told, MetricsSettings()) as stub:
        call = stub()
        await call.write(message([], "web").SerializeToString())
        await told.next()
        empty = message([])
        empty.envoy_metrics.add(name=name).metric.extend(Metric() for _ in range(100_000))
        await call.write(empty.SerializeToString())
        assert await asyncio.wait_for(call.code(), LIMIT_S) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_series_that_no_proxy_sends_are_not_counted() -> None:
    told = Told()
    async with serving(told, MetricsSettings()) as stub:
        call = stub()
        labels = counter("istio_requests_total", {f"l{number}": "" for number in range(1000)}, 1)
        bounds = histogram("istio_request_duration_milliseconds", {}, [1.0], bounds=range(1000))
        vast = histogram("istio_request_duration_milliseconds", {}, [1e300])
        odd = [labels, bounds, vast, *requests(Call(), 2, "404")]
        await call.write(message(odd, "web").SerializeToString())
        assert await told.next() == ("web", [("404", 2.0, [])], 0)
