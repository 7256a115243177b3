"""The access-log service over real gRPC: who may report, and what is dropped or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from xds.api.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage as Message
from xds.model.proxy import Proxy
from xds.server import FAILURES, RECORDS, Denied, Entry, Log, Node, Peer, Reason, Reporter, Server, SnapshotCache
from xds.server.access_logs import METHOD, SERVICE, AccessLogSettings


class Taken:
    """A sink that keeps what it is given, and an admission that knows two nodes."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.dropped = 0
        self.apart: list[str] = []

    def take_apart(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        assert not dropped
        self.apart += [each.request.path for each in entries if isinstance(each, HTTPAccessLogEntry)]

    def take(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        assert all(isinstance(each, HTTPAccessLogEntry) for each in entries)
        self.entries += [(proxy.id, each.request.path) for each in entries if isinstance(each, HTTPAccessLogEntry)]
        self.dropped += dropped

    async def admit(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        if node.id == "liar":
            raise Denied("it is somebody else", Reason.PERMISSION_DENIED)
        assert peer.metadata["authorization"] == "Bearer t"
        return Reporter(Proxy(node.id), 0.05 if node.id == "expiring" else None, peer.metadata.get("caller", ""))


Stub = grpc.aio.StreamUnaryMultiCallable[bytes, bytes]


@asynccontextmanager
async def sending(
    taken: Taken, *messages: Message, log: Log[Proxy] | None = None
) -> AsyncIterator[grpc.aio.StreamUnaryCall[bytes, bytes]]:
    """A call that has sent these messages."""
    async with calling(taken, log) as stub:
        call = stub(metadata=(("authorization", "Bearer t"),))
        for message in messages:
            await call.write(message.SerializeToString())
        yield call


@asynccontextmanager
async def calling(taken: Taken, log: Log[Proxy] | None = None) -> AsyncIterator[Stub]:
    """What calls a server of access logs."""
    server = Server(SnapshotCache())
    others = {"apart": Log(taken.take_apart, RECORDS), **({"failures": log} if log is not None else {})}
    server.add_access_logs(taken.take, taken.admit, others)
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.stream_unary(f"/{SERVICE}/{METHOD}")
    finally:
        await server.stop()


def first(node: str = "web", *paths: str) -> Message:
    message = more(*paths)
    message.identifier.node.id = node
    message.identifier.log_name = "refusals"
    return message


def more(*paths: str) -> Message:
    message = Message()
    message.http_logs.log_entry.extend(HTTPAccessLogEntry(request={"path": path}) for path in paths)
    return message


async def test_entries_are_those_of_the_node_of_the_stream() -> None:
    taken = Taken()
    async with sending(taken, first("web", "/a"), more("/b", "/c")) as call:
        await call.done_writing()
        await call
    assert taken.entries == [("web", "/a"), ("web", "/b"), ("web", "/c")]


async def test_a_log_of_another_name_goes_elsewhere_and_has_its_own_bounds() -> None:
    taken = Taken()
    beginning = first("web", "/a")
    beginning.identifier.log_name = "apart"
    count = AccessLogSettings().burst * 3
    async with sending(taken, beginning, more(*["/b"] * count)) as call:
        await call.done_writing()
        await call
    assert (taken.entries, taken.apart) == ([], ["/a", *["/b"] * count])


async def refused_with(taken: Taken, *messages: Message) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async with sending(taken, *messages) as call:
            await call
    assert not taken.entries
    return error.value.code()


async def test_who_is_somebody_else_is_refused() -> None:
    assert await refused_with(Taken(), first("liar", "/a")) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_names_its_node_first() -> None:
    assert await refused_with(Taken(), more("/a")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_that_is_too_large_ends_the_stream() -> None:
    huge = more("/" + "a" * AccessLogSettings().max_message_bytes)
    assert await refused_with(Taken(), first("web"), huge) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_is_beyond_the_rate_is_dropped_and_counted() -> None:
    taken, burst = Taken(), AccessLogSettings().burst
    async with sending(taken, first("web", *["/a"] * (burst + 100))) as call:
        await call.done_writing()
        await call
    assert (len(taken.entries), taken.dropped) == (burst, 100)


async def test_what_fails_is_bounded_far_below_and_not_while_all_of_it_is_wanted() -> None:
    counts: dict[str, tuple[int, int]] = {}
    for wanted in (False, True):
        taken = Taken()
        log = Log(taken.take, FAILURES, (lambda _, wanted=wanted: wanted, Log(taken.take, RECORDS)))  # type: ignore[misc]
        message = first("web", *["/a"] * 1000)
        message.identifier.log_name = "failures"
        async with sending(taken, message, log=log) as call:
            await call.done_writing()
            await call
        counts["all" if wanted else "what fails"] = (len(taken.entries), taken.dropped)
    assert counts == {"what fails": (FAILURES.burst, 1000 - FAILURES.burst), "all": (1000, 0)}


async def test_one_caller_has_one_share_over_all_its_streams_and_others_have_theirs() -> None:
    taken = Taken()
    slow = AccessLogSettings(entries_per_s=0.001, burst=10, pause_s=0.0)
    async with calling(taken, Log(taken.take, slow)) as stub:
        for node in ("web", "web", "web", "db"):  # a stream of its own each
            message = first(node, *["/a"] * 10)
            message.identifier.log_name = "failures"
            call = stub(metadata=(("authorization", "Bearer t"), ("caller", node)))
            await call.write(message.SerializeToString())
            await call.done_writing()
            await call
    assert Counter(node for node, _ in taken.entries) == {"web": 10, "db": 10}
    assert taken.dropped == 20


async def test_a_stream_ends_with_its_credentials() -> None:
    taken = Taken()
    async with sending(taken, first("expiring", "/a")) as call:
        await call  # Envoy opens another one when it has something to tell
    assert taken.entries == [("expiring", "/a")]
