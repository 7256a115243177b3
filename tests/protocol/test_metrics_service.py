"""The metrics service over real gRPC: who may tell, what is dropped, refused or answered slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from tests.unit.telemetry.told import Call, counter, gauge, histogram, message, requests
from xds.model.proxy import Proxy
from xds.model.told_metrics import FIELDS
from xds.server import Denied, Node, Peer, Reason, Reporter, Server, SnapshotCache
from xds.server.metric_messages import Series
from xds.server.metrics_service import METHOD, SERVICE, Counted, MetricsService, MetricsSettings
from xds.slices import Slices

LIMIT_S = 60
SMALL = MetricsSettings(max_streams=2, max_message_bytes=100_000, max_series=20, max_known=5)


class Told:
    """A sink that keeps what it is told, and an admission that knows all but one."""

    def __init__(self) -> None:
        self.asked: list[Series] = []
        self.admitted: list[tuple[str, str]] = []
        self.events: asyncio.Queue[tuple[str, list[tuple[str, float, list[int]]], int]] = asyncio.Queue()

    async def admit(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        if node.id == "liar":
            raise Denied("it is somebody else", Reason.PERMISSION_DENIED)
        self.admitted.append((node.id, peer.metadata.get("authorization", "")))
        return Reporter(Proxy(node.id), 0.0 if node.id == "expiring" else None, caller="one")

    @property
    def names(self) -> frozenset[str]:
        return frozenset({"_requests", "_duration"})

    def under(self, proxy: Proxy, series: Series) -> str | None:
        self.asked.append(series)
        return series.labels["k"].split("|")[FIELDS.index("code")] or series.name

    def counted(self, proxy: Proxy, counted: Sequence[Counted[str]], dropped: int) -> Slices[None]:
        yield
        found = [(under, value.count, value.below()) for under, value in counted]
        self.events.put_nowait((proxy.id, found, dropped))

    async def next(self) -> tuple[str, list[tuple[str, float, list[int]]], int]:
        return await asyncio.wait_for(self.events.get(), LIMIT_S)


Stub = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@asynccontextmanager
async def serving(told: Told, limits: MetricsSettings = SMALL) -> AsyncIterator[Stub]:
    server = Server(SnapshotCache())
    server.add_handlers(MetricsService(told, told.admit, limits).handlers())
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary(f"/{SERVICE}/{METHOD}")
    finally:
        await server.stop()


async def test_what_was_counted_is_told_and_labels_are_read_once() -> None:
    told = Told()
    async with serving(told) as stub:
        counted = requests(Call(), 3, "200", [2.0, 7.0])
        unchanged = counter("istio_requests_total", Call().labels(response_code="404"), 0)
        sent = message([*counted, unchanged, gauge("server.uptime", 7)], "web").SerializeToString()
        assert await stub(sent, timeout=LIMIT_S) == b""
        below = [0, 0, 1, *[2] * 12]
        wanted = [("200", 3.0, []), ("_duration", 2.0, below)]
        assert await told.next() == ("web", wanted, 0)
        assert [series.labels["workload"] for series in told.asked] == ["web", "web"]
        assert told.asked[1].bounds[:3] == (0.5, 1, 5)
        await stub(message(requests(Call(), 4), "web").SerializeToString(), timeout=LIMIT_S)
        assert await told.next() == ("web", [("200", 4.0, [])], 0)
        assert len(told.asked) == 2
        assert len(told.admitted) == 1


async def test_another_proof_or_another_proxy_is_admitted_anew() -> None:
    told = Told()
    async with serving(told) as stub:
        for node, token in (("web", "a"), ("web", "a"), ("web", "b"), ("db", "b")):
            sent = message([], node).SerializeToString()
            await stub(sent, metadata=(("authorization", token),), timeout=LIMIT_S)
        assert told.admitted == [("web", "a"), ("web", "b"), ("db", "b")]


async def test_credentials_that_have_ended_are_looked_at_anew() -> None:
    told = Told()
    async with serving(told) as stub:
        for _ in range(2):
            await stub(message([], "expiring").SerializeToString(), timeout=LIMIT_S)
        assert len(told.admitted) == 2


async def test_what_is_beyond_the_limits_of_a_message_is_dropped_and_counted() -> None:
    told = Told()
    async with serving(told) as stub:
        many = [each for code in range(100, 130) for each in requests(Call(), 1, str(code))]
        await stub(message(many, "web").SerializeToString(), timeout=LIMIT_S)
        _, found, dropped = await told.next()
        assert (len(found), dropped) == (20, 10)
        await stub(message(requests(Call(), 1, "100"), "web").SerializeToString(), timeout=LIMIT_S)
        assert await told.next() == ("web", [("100", 1.0, [])], 0), "it is understood again after it was forgotten"


async def test_numbers_that_are_none_are_not_counted() -> None:
    told = Told()
    async with serving(told) as stub:
        bad = [requests(Call(), number, "200")[0] for number in (float("nan"), float("inf"), -1.0)]
        odd = histogram("istio_request_duration_milliseconds", Call().labels(), [1.0])
        odd.histogram.data_points[0].sum = float("nan")
        await stub(message([*bad, odd, *requests(Call(), 2, "404")], "web").SerializeToString(), timeout=LIMIT_S)
        assert await told.next() == ("web", [("404", 2.0, [])], 0)


async def refused(stub: Stub, data: bytes) -> grpc.StatusCode:
    """The status that a message is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub(data, timeout=LIMIT_S)
    return raised.value.code()


def too_large() -> bytes:
    large = gauge("x" * 100_000, 1)
    return message([large], "web").SerializeToString()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (message([], "liar").SerializeToString(), grpc.StatusCode.PERMISSION_DENIED),
        (message([]).SerializeToString(), grpc.StatusCode.INVALID_ARGUMENT),
        (b"", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (too_large(), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_is_refused(data: bytes, status: grpc.StatusCode) -> None:
    told = Told()
    async with serving(told) as stub:
        assert await refused(stub, data) is status
    assert told.events.empty()


async def test_labels_that_are_none_are_refused() -> None:
    told = Told()
    async with serving(told) as stub:
        sent = message(requests(Call(), 1), "web").SerializeToString()
        # The key of the label, as text that is none.
        assert await refused(stub, sent.replace(b"\n\x01k\x12", b"\n\x01\xff\x12")) is grpc.StatusCode.INVALID_ARGUMENT
    assert told.events.empty()


async def test_a_second_message_at_the_same_time_is_refused() -> None:
    told = Told()
    async with serving(told) as stub:
        sent = message([], "web").SerializeToString()
        first = asyncio.ensure_future(stub(sent, timeout=LIMIT_S))
        await told.next()
        assert await refused(stub, sent) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await first == b""


async def test_one_call_too_many() -> None:
    told = Told()
    async with serving(told) as stub:
        calls = [asyncio.ensure_future(stub(message([], f"web-{at}").SerializeToString())) for at in range(2)]
        for _ in calls:
            await told.next()
        assert await refused(stub, message([], "web-2").SerializeToString()) is grpc.StatusCode.RESOURCE_EXHAUSTED
        await asyncio.gather(*calls)


async def test_who_tells_more_often_than_it_should_is_answered_slowly() -> None:
    told = Told()
    async with serving(told) as stub:
        began = time.monotonic()
        for _ in range(3):
            await stub(message([], "web").SerializeToString(), timeout=LIMIT_S)
        assert time.monotonic() - began >= 1.4


@pytest.mark.parametrize("kind", ["sum", "histogram"])
async def test_a_message_of_nothing_but_empty_series_is_refused_rather_than_looked_through(kind: str) -> None:
    told = Told()
    async with serving(told, MetricsSettings()) as stub:
        empty = message([], "web")
        metric = empty.resource_metrics[0].scope_metrics[0].metrics.add(name="_requests")
        points = getattr(metric, kind).data_points
        for _ in range(100_000):
            points.add()
        assert await refused(stub, empty.SerializeToString()) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_series_that_no_proxy_sends_are_not_counted() -> None:
    told = Told()
    async with serving(told, MetricsSettings()) as stub:
        labels = counter("istio_requests_total", Call().labels(), 1)
        point: NumberDataPoint = labels.sum.data_points[0]
        for number in range(1000):
            point.attributes.add(key=f"l{number}")
        bounds = histogram("istio_request_duration_milliseconds", Call().labels(), [1.0], bounds=range(1000))
        vast = histogram("istio_request_duration_milliseconds", Call().labels(), [1e300])
        odd = [labels, bounds, vast, *requests(Call(), 2, "404")]
        await stub(message(odd, "web").SerializeToString(), timeout=LIMIT_S)
        assert await told.next() == ("web", [("404", 2.0, [])], 0)


async def test_who_opens_connection_after_connection_is_remembered_a_few_times_only() -> None:
    told = Told()
    limits = MetricsSettings(max_known_of_one=2)
    async with serving(told, limits) as stub:
        nodes = ["web", "web-1", "web", "web-2", "web", "web-1"]
        for node in nodes:
            await stub(message([], node).SerializeToString(), timeout=LIMIT_S)
        assert [node for node, _ in told.admitted] == ["web", "web-1", "web-2", "web-1"]


async def test_who_says_too_much_of_itself_is_refused() -> None:
    told = Told()
    async with serving(told) as stub:
        assert await refused(stub, message([], "w" * 70_000).SerializeToString()) is grpc.StatusCode.INVALID_ARGUMENT
    assert not told.admitted
