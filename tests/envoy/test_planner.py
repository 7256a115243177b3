"""What the planner foretells is what a real Envoy does: which connections it cuts when a listener becomes another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import bootstrap
from tests.envoy.messages import cluster, endpoints, host, listener, resource, routes
from xds.api.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.planner.effect import Effect, Way, effect
from xds.server import Resource, Server, SnapshotCache
from xds.wire import codec

pytestmark = pytest.mark.envoy

ECHO: Final = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}
FILE_LOG: Final = {
    "name": "log",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/null",
    },
}
# The caller's address chooses the chain.
SOURCES: Final = {"a": "127.0.0.1", "b": "127.0.0.2", "default_filter_chain": "127.0.0.9"}
Plain = dict[str, Any]


def chain(name: str, source: str = "", **fields: Any) -> Plain:
    filters = [{"name": "echo", "typed_config": ECHO}]
    match = {"source_prefix_ranges": [{"address_prefix": source or SOURCES[name], "prefix_len": 32}]}
    return {"name": name, "filters": filters, "filter_chain_match": match, **fields}


A, B, C = chain("a"), chain("b"), chain("c", "127.0.0.7")
REST: Final = {"name": "rest", "filters": A["filters"]}
SLOW: Final = {"transport_socket_connect_timeout": "3s"}
BEFORE: Final[Plain] = {
    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
    "filter_chains": [A, B],
    "default_filter_chain": REST,
}
# What becomes of it; None: it goes.
AFTER: Final[Mapping[str, Plain | None]] = {
    "the same": {},
    "chains in another order": {"filter_chains": [B, A]},
    "a chain more": {"filter_chains": [A, B, C]},
    "a chain's option": {"filter_chains": [chain("a", **SLOW), B]},
    "a chain's name": {"filter_chains": [chain("other", SOURCES["a"]), B]},
    "a chain's match": {"filter_chains": [A, chain("b", "127.0.0.3")]},
    "a chain less": {"filter_chains": [A]},
    "no chain but the default": {"filter_chains": []},
    "the default's option": {"default_filter_chain": {**REST, **SLOW}},
    "no default": {"default_filter_chain": None},
    "how connections are balanced": {"connection_balance_config": {"exact_balance": {}}},
    "a timeout": {"listener_filters_timeout": "3s"},
    "a buffer limit": {"per_connection_buffer_limit_bytes": 10000},
    "an access log": {"access_log": [FILE_LOG]},
    "metadata": {"metadata": {"filter_metadata": {"x": {"y": 1}}}},
    "a direction": {"traffic_direction": "INBOUND"},
    "a name in statistics": {"stat_prefix": "other"},
    "a backlog": {"tcp_backlog_size": 9},
    "gone": None,
}


def made(name: str, change: Plain) -> Resource:
    fields = {**BEFORE, **change}
    given = {"name": name, **{key: each for key, each in fields.items() if each is not None}}
    return Resource.of(codec.from_plain(given, Listener()))


class Connection:
    """One open connection, and whether it still echoes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, source: str) -> Connection:
        connection = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        assert await connection.echoes()
        return connection

    async def echoes(self) -> bool:
        try:
            self.writer.write(b"x")
            return await self.reader.read(1) == b"x"
        except OSError:
            return False

    async def until_closed(self) -> bool:
        async with asyncio.timeout(20):
            return await self.reader.read(1) == b""


async def test_listeners(launch_envoy: Launch) -> None:
    cache = SnapshotCache()
    server = Server(cache)
    async with AsyncExitStack() as stack:
        port = server.add_plaintext("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop)
        before = {name: made(name, {}) for name in AFTER}
        cache.set("test", before.values())
        envoy = await launch_envoy(bootstrap(port))
        await envoy.live()
        opened: dict[tuple[str, str], Connection] = {}
        for name in AFTER:
            at = await envoy.port(name)
            for each, source in SOURCES.items():
                opened[name, each] = await Connection.open(at, source)
                stack.callback(opened[name, each].writer.close)

        after = {name: made(name, change) for name, change in AFTER.items() if change is not None}
        foretold = {name: effect(before[name], after.get(name)) for name in AFTER}
        cache.set("test", after.values())
        async with asyncio.timeout(20):
            await cache.acked("test")
        cut = {(name, each) for name, found in foretold.items() for each in drained(found)}
        assert all(await asyncio.gather(*(opened[key].until_closed() for key in sorted(cut))))
        alive = {key for key, connection in opened.items() if key not in cut and await connection.echoes()}
        assert sorted(alive) == sorted(opened.keys() - cut), "more is cut than was foretold"
        assert {name for name, found in foretold.items() if not found.way.drains} == set(list(AFTER)[:3]) | {
            "how connections are balanced"
        }


def drained(found: Effect) -> set[str]:
    """The chains whose connections are cut, by the test's names."""
    if not found.way.drains:
        return set()
    return set(SOURCES) if found.way is not Way.CHAINS_DRAIN else set(found.chains)


async def test_clusters(launch_envoy: Launch) -> None:
    cache = SnapshotCache()
    server = Server(cache)
    closed = asyncio.Event()

    async def keeping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none")
        closed.set()

    async with AsyncExitStack() as stack:
        port = server.add_plaintext("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop)
        behind = await stack.enter_async_context(await asyncio.start_server(keeping, "127.0.0.1", 0))
        one = behind.sockets[0].getsockname()[1]
        base = [listener("l", "rc"), routes("rc", host("h", "h.x", "c"))]
        first, ends = cluster("c"), endpoints("c", one)
        cache.set("test", [*base, first, ends])
        envoy = await launch_envoy(bootstrap(port))
        await envoy.live()
        await envoy.wait_for("l", "h.x", (200, "one"))

        more = resource(ClusterLoadAssignment(), "c", {**codec.to_plain((ends.type_url, ends.body)), **OVERPROVISIONED})
        slower = cluster("c", connect_timeout="2s")
        assert effect(ends, more).way is Way.IN_PLACE
        cache.set("test", [*base, first, more])
        async with asyncio.timeout(20):
            await cache.acked("test")
        await envoy.wait_for("l", "h.x", (200, "one"))
        assert not closed.is_set()
        assert effect(first, slower).way is Way.CLUSTER_REPLACED
        cache.set("test", [*base, slower, more])
        async with asyncio.timeout(20):
            await closed.wait()
        await envoy.wait_for("l", "h.x", (200, "one"))


OVERPROVISIONED: Final = {"policy": {"overprovisioning_factor": 150}}
