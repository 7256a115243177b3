"""The health discovery service over real gRPC: who is asked, and what is made of what it says."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import grpc
import grpc.aio
import pytest

from tests.protocol import clients
from tests.protocol.clients import Call, ended, read
from xds.api.envoy.config.core.v3.health_check_pb2 import HealthStatus
from xds.api.envoy.service.health.v3.hds_pb2 import HealthCheckRequestOrEndpointHealthResponse, HealthCheckSpecifier
from xds.model.proxy import Proxy
from xds.server import Denied, Node, Peer, Reason, Reporter, Server, SnapshotCache
from xds.server.health_checks import METHOD, SERVICE

LIMIT_S = 60
HEALTHY, DEGRADED, UNHEALTHY = HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY


class Told:
    """What was told of health; it has a question for all but one, and an admission that knows all but another."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def admit(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        if node.id == "liar":
            raise Denied("it is somebody else", Reason.PERMISSION_DENIED)
        return Reporter(Proxy(node.id), 0.3 if node.id == "expiring" else None)

    def question(self, proxy: Proxy) -> HealthCheckSpecifier | None:
        if proxy.id == "idle":
            return None
        asked = HealthCheckSpecifier()
        asked.cluster_health_checks.add(cluster_name=f"probe of {proxy.id}")
        return asked

    def told(self, proxy: Proxy, well: bool) -> None:
        self.events.put_nowait((proxy.id, well))

    async def next(self) -> tuple[str, bool]:
        return await asyncio.wait_for(self.events.get(), LIMIT_S)


def opened(told: Told, node: str) -> AbstractAsyncContextManager[Call]:
    """A stream of a node that has said who it is."""
    server, first = Server(SnapshotCache()), HealthCheckRequestOrEndpointHealthResponse()
    server.add_health_checks(told, told.admit)
    if node:
        first.health_check_request.node.id = node
    return clients.opened(server, f"/{SERVICE}/{METHOD}", first.SerializeToString())


def states(*found: int) -> bytes:
    """A report of endpoints that are in these states."""
    message = HealthCheckRequestOrEndpointHealthResponse()
    cluster = message.endpoint_health_response.cluster_endpoints_health.add(cluster_name="probe")
    for state in found:
        cluster.locality_endpoints_health.add().endpoints_health.add(health_status=state)
    return message.SerializeToString()


async def test_who_is_asked_says_whether_all_is_well() -> None:
    told = Told()
    async with opened(told, "vm") as call:
        question = HealthCheckSpecifier.FromString(await read(call, LIMIT_S))
        assert question.cluster_health_checks[0].cluster_name == "probe of vm"
        for report, well in (
            (states(HEALTHY, DEGRADED), True),
            (states(HEALTHY, UNHEALTHY), False),
            (states(), False),
        ):
            await call.write(report)
            assert await told.next() == ("vm", well)


async def test_who_has_nothing_to_do_is_left_alone() -> None:
    told = Told()
    async with opened(told, "idle") as call:
        await call.done_writing()
        assert await ended(call, LIMIT_S) is grpc.StatusCode.OK
    assert told.events.empty()


@pytest.mark.parametrize(
    ("node", "more", "status"),
    [
        ("liar", b"", grpc.StatusCode.PERMISSION_DENIED),
        ("", b"", grpc.StatusCode.INVALID_ARGUMENT),
        ("vm", b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        ("vm", states(*[HEALTHY] * 200_000), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("idle", states(HEALTHY), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_is_refused(node: str, more: bytes, status: grpc.StatusCode) -> None:
    told = Told()
    async with opened(told, node) as call:
        if node == "vm":
            await read(call, LIMIT_S)
        if more:
            await call.write(more)
        assert await ended(call, LIMIT_S) is status
    assert told.events.empty()


async def test_a_stream_ends_with_its_credentials() -> None:
    told = Told()
    async with opened(told, "expiring") as call:
        assert await ended(call, LIMIT_S) is grpc.StatusCode.OK
