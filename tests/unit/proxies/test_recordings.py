"""Recordings: who is recorded, what their reader is told, and how each of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.objects import applied, made
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from xds.decoders.build import Builder
from xds.model.proxy import Proxy
from xds.proxies.recordings import LEASE, MOST, MOST_BYTES, MOST_ENTRIES, Recordings
from xds.sources.changes import Changed, Replaced, Transaction

WEB = Proxy("web", namespace="shop", name="web-1")
OTHER = Proxy("other", namespace="shop", name="db-1")
ASKED = {"workload": "shop/web", "for": "60"}


class World:
    """A clock, two pods and their recordings."""

    def __init__(self) -> None:
        self.now = 100.0
        builder = Builder()
        for name, app in (("web-1", "web"), ("db-1", "db")):
            pod = {"metadata": {"name": name, "namespace": "shop", "labels": {"app": app}}, "spec": {"containers": []}}
            applied(builder, [made({"apiVersion": "v1", "kind": "Pod", **pod})])
        self.recordings = Recordings(lambda: builder.snapshot, lambda: (WEB, OTHER), lambda: self.now)

    def page(self, **query: str) -> dict[str, Any]:
        found = self.recordings.page(query or ASKED)
        assert found is not None
        return found


@pytest.fixture
def world() -> World:
    return World()


def entry(path: str) -> HTTPAccessLogEntry:
    message = HTTPAccessLogEntry()
    message.request.path = path
    message.response.response_code.value = 200
    message.common_properties.upstream_cluster = "inbound|8080||"
    message.common_properties.response_flags.no_healthy_upstream = True
    return message


async def test_who_is_recorded_is_told_apart_and_read_on(world: World) -> None:
    begun = world.page()
    assert (begun["proxies"], begun["entries"], begun["over"]) == (["shop/web-1"], [], False)
    world.recordings.take(WEB, [entry("/a"), entry("/b")], 0)
    world.recordings.take(OTHER, [entry("/not")], 0)
    told = world.page(id=begun["id"], after=str(begun["next"]))
    assert [each["path"] for each in told["entries"]] == ["/a", "/b"]
    first = told["entries"][0]
    assert (first["pod"], first["direction"], first["response_code"], first["response_flags"]) == (
        "shop/web-1",
        "server",
        200,
        "UH",
    )
    world.recordings.take(WEB, [TCPAccessLogEntry()], 3)
    told = world.page(id=begun["id"], after=str(told["next"]))
    assert [(each["protocol"], each["direction"]) for each in told["entries"]] == [("TCP", "client")]
    assert told["lost"] == 3


async def test_nothing_that_a_proxy_says_moves_a_terminal(world: World) -> None:
    begun = world.page()
    world.recordings.take(WEB, [entry("/a\x1b[2J\r\nb")], 0)
    assert world.page(id=begun["id"])["entries"][0]["path"] == "/a?[2J??b"


async def test_what_nobody_reads_in_time_is_lost_and_said_to_be(world: World) -> None:
    begun = world.page()
    for _ in range(3):
        world.recordings.take(WEB, [entry("/x")] * (MOST_ENTRIES // 2), 0)
    told = world.page(id=begun["id"], after="0")
    assert told["lost"] == MOST_ENTRIES // 2
    assert told["next"] == MOST_ENTRIES // 2 + len(told["entries"])


async def test_it_ends_by_itself_and_what_came_late_is_still_told(world: World) -> None:
    begun = told = world.page()
    for _ in range(7):
        world.now += 9
        told = world.page(id=begun["id"])
    world.recordings.take(WEB, [entry("/late")], 0)
    assert not told["over"]
    world.now += 9
    told = world.page(id=begun["id"], after=str(told["next"]))
    assert ([each["path"] for each in told["entries"]], told["over"]) == (["/late"], True)
    world.now += LEASE.total_seconds() + 1
    assert world.recordings.page({"id": begun["id"]}) is None


@pytest.mark.parametrize(
    "query", [{}, {"workload": "web", "for": "1"}, {"workload": "a/b", "for": "x"}, {"workload": "a/b", "for": "3601"}]
)
def test_a_question_that_makes_no_sense(world: World, query: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
        world.recordings.page(query)


async def test_there_are_not_more_than_may_be(world: World) -> None:
    for _ in range(MOST):
        world.page()
    with pytest.raises(ValueError, match="already"):
        world.recordings.page(ASKED)


async def _next(changes: AsyncGenerator[Transaction, None]) -> Transaction:
    return await asyncio.wait_for(anext(changes), 10)


async def test_the_source_says_who_is_recorded_until_the_reader_stops_or_goes(world: World) -> None:
    changes = world.recordings.changes()
    assert isinstance(await _next(changes), Replaced)
    begun = world.page()
    begins = await _next(changes)
    assert isinstance(begins, Changed)
    assert [each.ref.name for each in begins.upserts] == ["web"]
    world.page(id=begun["id"], stop="1")
    ends = await _next(changes)
    assert isinstance(ends, Changed)
    assert [ref.name for ref in ends.deletes] == ["web"]
    again = world.page()
    await _next(changes)
    world.now += LEASE.total_seconds() + 1  # nobody reads it
    assert world.recordings.page({"id": again["id"]}) is None
    gone = asyncio.create_task(_next(changes))
    world.page(workload="shop/db", **{"for": "5"})  # something happens, at which the source looks up
    found = await gone
    assert isinstance(found, Changed)
    assert [ref.name for ref in found.deletes] == ["web"]
    await changes.aclose()


async def test_long_entries_take_no_more_memory_than_many(world: World) -> None:
    begun = world.page()
    long = entry("/" + "é€" * 1024)
    long.request.authority = long.request.user_agent = long.request.forwarded_for = long.request.path
    for _ in range(4):
        world.recordings.take(WEB, [long] * (MOST_ENTRIES // 4), 0)
    told = world.page(id=begun["id"], after="0")
    assert told["lost"] > MOST_ENTRIES // 2
    assert (MOST_ENTRIES - told["lost"]) * 4 * 2 * 2048 <= MOST_BYTES
