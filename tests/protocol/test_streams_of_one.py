"""Nobody has all the streams: those of one caller are bounded, and who does not say who it is has none for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from xds.api.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from xds.api.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest
from xds.api.envoy.service.health.v3.hds_pb2 import HealthCheckRequestOrEndpointHealthResponse, HealthCheckSpecifier
from xds.api.envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest
from xds.model.proxy import Proxy
from xds.server import (
    Admission,
    Entry,
    LoadReportSettings,
    Node,
    Peer,
    Reporter,
    Server,
    ServerSettings,
    SnapshotCache,
    access_logs,
    health_checks,
    load_reports,
)
from xds.server.access_logs import AccessLogSettings
from xds.server.errors import LimitExceeded
from xds.server.open_streams import MOST_OF_ONE, OpenStreams
from xds.wire.type_urls import CLUSTER

LIMIT_S: Final = 60.0
_DISCOVERY: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


class Everybody:
    """Lets everybody in, counted by the cluster of the node; nobody has anything to do."""

    def __init__(self) -> None:
        self.admitted = asyncio.Semaphore(0)

    async def reporter(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        self.admitted.release()
        return Reporter(Proxy(node.id), None, node.cluster)

    async def admit(self, node: Node, peer: Peer) -> Admission:
        self.admitted.release()
        return Admission("all", None, node.cluster)

    def question(self, proxy: Proxy) -> HealthCheckSpecifier | None:
        return None

    def told(self, proxy: Proxy, well: bool) -> None: ...

    def wanted(self, proxy: Proxy) -> bool:
        return False

    def counted(self, proxy: Proxy) -> None: ...

    def used(self, proxy: Proxy, clusters: frozenset[str]) -> None: ...

    def uncounted(self, proxy: Proxy) -> None: ...

    def take(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None: ...


def first(service: str, caller: str) -> bytes:
    """The first message of a stream."""
    node = {"id": "web", "cluster": caller}
    message: Any
    if service == _DISCOVERY:
        message = DeltaDiscoveryRequest(node=node, type_url=CLUSTER)
    elif service.startswith(access_logs.SERVICE):
        message = StreamAccessLogsMessage(identifier={"node": node})
    elif service.startswith(load_reports.SERVICE):
        message = LoadStatsRequest(node=node)
    else:
        message = HealthCheckRequestOrEndpointHealthResponse(health_check_request={"node": node})
    return bytes(message.SerializeToString())


@asynccontextmanager
async def served(everybody: Everybody) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server of all services."""
    server = Server(SnapshotCache(), admit=everybody.admit)
    server.add_access_logs(everybody.take, everybody.reporter)
    server.add_health_checks(everybody, everybody.reporter)
    server.add_load_reports(everybody, everybody.reporter, LoadReportSettings())
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop()


async def opened(channel: grpc.aio.Channel, service: str, caller: str) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    """A stream of a caller that has said who it is."""
    stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{service}")
    call = stub()
    await call.write(first(service, caller))
    return call


async def until_admitted(everybody: Everybody, count: int) -> None:
    """Return when so many more have been let in."""
    for _ in range(count):
        await everybody.admitted.acquire()


@pytest.mark.parametrize(
    "service, most",
    [
        (_DISCOVERY, ServerSettings().max_streams_of_one),
        (f"{access_logs.SERVICE}/{access_logs.METHOD}", AccessLogSettings().max_streams_of_one),
        (f"{health_checks.SERVICE}/{health_checks.METHOD}", MOST_OF_ONE),
        (f"{load_reports.SERVICE}/{load_reports.METHOD}", MOST_OF_ONE),
    ],
)
async def test_one_caller_has_so_many_streams_and_others_have_theirs(service: str, most: int) -> None:
    everybody = Everybody()
    async with served(everybody) as channel:
        async with asyncio.timeout(LIMIT_S):
            calls = [await opened(channel, service, "one") for _ in range(most)]
            await until_admitted(everybody, most)
            assert not any(call.done() for call in calls)
            more = await opened(channel, service, "one")
            assert await more.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert f"{most} " in await more.details()
            other = await opened(channel, service, "other")
            await until_admitted(everybody, 2)
            assert not other.done()


def test_a_stream_that_has_ended_makes_room() -> None:
    streams = OpenStreams("streams", most=10, most_of_one=1)
    with streams.one_of("one"):
        with pytest.raises(LimitExceeded, match="1 streams of one"), streams.one_of("one"):
            pass
        with streams.one_of("other"), streams.one_of(""), streams.one_of(""):
            pass
    with streams.one_of("one"):
        pass


@pytest.mark.parametrize("ends", [False, True])
async def test_who_does_not_say_who_it_is_is_not_waited_for(ends: bool) -> None:
    streams = OpenStreams("streams", most=10, first_s=0.05)

    async def serve(context: Any) -> None:
        await streams.first(context)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(streams.handlers("Service", "Method", serve))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(LIMIT_S):
            stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/Service/Method")
            call = stub()
            if ends:
                await call.done_writing()
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "there was no message" in await call.details()
    finally:
        await server.stop(None)


async def test_at_one_address_a_part_of_all_streams_may_wait_to_be_named() -> None:
    streams = OpenStreams("streams", most=32)
    opened = asyncio.Semaphore(0)

    async def serve(context: Any) -> None:
        opened.release()
        await streams.first(context)
        await asyncio.Event().wait()

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(streams.handlers("Service", "Method", serve))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(LIMIT_S):
            stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/Service/Method")
            waiting = [stub() for _ in range(2)]
            for _ in waiting:
                await opened.acquire()
            refused = stub()
            assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "have not said whose they are" in await refused.details()
            assert not any(call.done() for call in waiting)
    finally:
        await server.stop(None)
