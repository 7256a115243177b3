"""The load-reporting service over real gRPC: who is asked, and what is made of what it says."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import grpc
import grpc.aio
import pytest

from tests.protocol import clients
from tests.protocol.clients import Call, ended, read
from xds.api.envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from xds.model.proxy import Proxy
from xds.server import Denied, LoadReportSettings, Node, Peer, Reason, Reporter, Server, SnapshotCache
from xds.server.load_reports import METHOD, SERVICE

SOON = LoadReportSettings(interval=timedelta(milliseconds=20), max_message_bytes=1000)
SELDOM = LoadReportSettings(interval=timedelta(hours=1))
LIMIT_S = 60


class Told:
    """What was told of usage, and an admission that knows all but one."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.looked = 0
        self.often = asyncio.Event()

    async def admit(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        if node.id == "liar":
            raise Denied("it is somebody else", Reason.PERMISSION_DENIED)
        return Reporter(Proxy(node.id, vhds=peer.delta), 0.5 if node.id == "expiring" else None)

    def wanted(self, proxy: Proxy) -> bool:
        self.looked += 1
        if self.looked > 3:
            self.often.set()
        return self.looked > 2 and proxy.id != "unwanted"

    def counted(self, proxy: Proxy) -> None:
        self.events.put_nowait(("counted", proxy.id))

    def used(self, proxy: Proxy, clusters: frozenset[str]) -> None:
        self.events.put_nowait(("used", proxy.id, *sorted(clusters)))

    def uncounted(self, proxy: Proxy) -> None:
        self.events.put_nowait(("uncounted", proxy.id))

    async def next(self) -> tuple[str, ...]:
        return await asyncio.wait_for(self.events.get(), LIMIT_S)


def opened(told: Told, node: str, settings: LoadReportSettings = SOON) -> AbstractAsyncContextManager[Call]:
    """A stream of a node that has said who it is."""
    server, first = Server(SnapshotCache()), LoadStatsRequest()
    server.add_load_reports(told, told.admit, settings)
    if node:
        first.node.id = node
    return clients.opened(server, f"/{SERVICE}/{METHOD}", first.SerializeToString())


def report(**clusters: tuple[int, int]) -> bytes:
    """A report of requests that were begun and are going on, by cluster; none where both are 0."""
    message = LoadStatsRequest()
    for name, (issued, going_on) in clusters.items():
        found = message.cluster_stats.add(cluster_name=name)
        if issued or going_on:
            found.upstream_locality_stats.add(total_issued_requests=issued, total_requests_in_progress=going_on)
    return message.SerializeToString()


async def test_who_is_wanted_is_asked_and_says_what_it_uses() -> None:
    told = Told()
    async with opened(told, "web") as call:
        question = LoadStatsResponse.FromString(await read(call, LIMIT_S))
        assert question.send_all_clusters
        assert question.load_reporting_interval.ToTimedelta() == SOON.interval
        assert await told.next() == ("counted", "web")
        await call.write(report(a=(3, 0), b=(0, 0), c=(0, 1)))
        assert await told.next() == ("used", "web", "a", "c")
        await call.done_writing()
        assert await told.next() == ("uncounted", "web")


async def test_who_is_not_wanted_is_left_alone() -> None:
    told = Told()
    async with opened(told, "unwanted") as call:
        await asyncio.wait_for(told.often.wait(), LIMIT_S)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert told.events.empty()


@pytest.mark.parametrize(
    ("node", "more", "status"),
    [
        ("liar", b"", grpc.StatusCode.PERMISSION_DENIED),
        ("", b"", grpc.StatusCode.INVALID_ARGUMENT),
        ("web", b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        ("web", report(**{f"c{number}": (1, 0) for number in range(100)}), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("unwanted", report(a=(1, 0)), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_is_refused(node: str, more: bytes, status: grpc.StatusCode) -> None:
    told = Told()
    async with opened(told, node) as call:
        if node == "web":
            await told.next()
        if more:
            await call.write(more)
        assert await ended(call, LIMIT_S) is status


async def test_a_stranger_is_refused_at_once_even_where_nobody_wants_to_know() -> None:
    told = Told()
    async with opened(told, "liar", SELDOM) as call:
        assert await ended(call, LIMIT_S) is grpc.StatusCode.PERMISSION_DENIED
    assert not told.looked, "nobody's stream waits who has not proven who it is"


async def test_who_tells_more_often_than_asked_for_is_read_slowly() -> None:
    told = Told()
    told.looked = 2
    async with opened(told, "web", SELDOM) as call:
        await told.next()
        began = time.monotonic()
        for _ in range(2):
            await call.write(report(a=(1, 0)))
            assert await told.next() == ("used", "web", "a")
        assert time.monotonic() - began >= 0.9


async def test_a_stream_ends_with_its_credentials() -> None:
    told = Told()
    async with opened(told, "expiring") as call:
        assert await told.next() == ("counted", "expiring")
        assert await told.next() == ("uncounted", "expiring")
        assert await ended(call, LIMIT_S) is grpc.StatusCode.OK
