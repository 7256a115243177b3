"""Lists and watches of an API server that says strange things."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.unit.sources.kube_scripted import EXPIRED, Answer, Asked, Scripted, events, named, page, scripted
from xds.sources.kube_client import (
    LINE_LIMIT_BYTES,
    PAGE_LIMIT_BYTES,
    Expired,
    KubeClient,
    NotServed,
    Refused,
    Unreachable,
)
from xds.sources.kube_config import NoCluster


@asynccontextmanager
async def asking(api: Scripted) -> AsyncIterator[KubeClient]:
    client = KubeClient(api.configuration)
    try:
        yield client
    finally:
        await client.aclose()


async def names(client: KubeClient) -> list[str]:
    return [
        msgspec.json.decode(item)["metadata"]["name"]
        async for each in client.pages("/l", {})
        for item in each.items or ()
    ]


async def watched(client: KubeClient) -> list[str]:
    return [event.type async for batch in client.watch("/w", {}) for event in batch]


async def test_pages_follow_each_other() -> None:
    def script(asked: Asked) -> Answer:
        return page(named("b")) if asked.query.get("continue") == "rest" else page(named("a"), more="rest")

    async with scripted(script) as api, asking(api) as client:
        assert await names(client) == ["a", "b"]
        assert [asked.query for asked in api.asked] == [{"limit": "500"}, {"limit": "500", "continue": "rest"}]


async def test_a_page_that_is_too_large_is_asked_for_with_fewer_objects() -> None:
    def script(asked: Asked) -> Answer:
        return page(named("a")) if asked.query["limit"] == "7" else Answer(b" " * (PAGE_LIMIT_BYTES + 1))

    async with scripted(script) as api, asking(api) as client:
        assert await names(client) == ["a"]
        assert [asked.query["limit"] for asked in api.asked] == ["500", "62", "7"]


async def test_large_objects_pass() -> None:
    large = named("a", annotations={"text": "x" * 4_000_000})
    script = lambda asked: events(("ADDED", large), stays=False) if "watch" in asked.query else page(large)  # noqa: E731
    async with scripted(script) as api, asking(api) as client:
        assert await names(client) == ["a"]
        assert await watched(client) == ["ADDED"]


async def test_an_event_without_end_expires() -> None:
    endless = Answer(b"x" * (LINE_LIMIT_BYTES + 1), stays=True)
    async with scripted(lambda _: endless) as api, asking(api) as client:
        with pytest.raises(Expired, match="larger than 16 MiB"):
            await watched(client)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(json.dumps(EXPIRED).encode(), 410), Expired),
        (Answer(b'{"message": "no rule"}', 403), Refused),
        (Answer(b"404 page not found", 404), NotServed),
        (Answer(b"{}", 429), Unreachable),
        (Answer(b"\xff\xfe", 500), Unreachable),
        (Answer(b"<html>sign in here</html>"), Unreachable),
        (Answer(b'{"items": 3}'), Unreachable),
        (Answer(b"[" * 100_000), Unreachable),
    ],
)
async def test_other_answers_are_named(answer: Answer, expected: type[Exception]) -> None:
    async with scripted(lambda _: answer) as api, asking(api) as client:
        with pytest.raises(expected):
            await names(client)


async def test_the_api_server_says_how_long_it_wants_to_be_left_alone() -> None:
    async with scripted(lambda _: Answer(b"{}", 429, headers="retry-after: 7\r\n")) as api, asking(api) as client:
        with pytest.raises(Unreachable) as raised:
            await names(client)
    assert raised.value.after_s == 7


@pytest.mark.parametrize(
    ("status", "expected"), [(EXPIRED, Expired), ({"code": 500, "message": "etcd is away"}, Unreachable)]
)
async def test_errors_within_a_watch(status: dict[str, Any], expected: type[Exception]) -> None:
    async with scripted(lambda _: events(("BOOKMARK", named("", 3)), ("ERROR", status))) as api, asking(api) as client:
        with pytest.raises(expected):
            await watched(client)


async def test_nobody_there() -> None:
    async with scripted(lambda _: page()) as api:
        pass
    async with asking(api) as client:
        with pytest.raises(Unreachable):
            await names(client)


async def test_the_token_is_read_anew_for_each_request() -> None:
    tokens = iter(["one", "two"])

    def refresh(configuration: Any) -> None:
        try:
            configuration.api_key["BearerToken"] = f"Bearer {next(tokens)}\n"
        except StopIteration:
            raise OSError("a text with secret-token in it") from None

    async with scripted(lambda _: page()) as api:
        api.configuration.refresh_api_key_hook = refresh
        async with asking(api) as client:
            await names(client)
            await names(client)
            assert [asked.token for asked in api.asked] == ["Bearer one", "Bearer two"]
            with pytest.raises(Unreachable) as raised:
                await names(client)
            assert "secret" not in str(raised.value)


async def test_a_server_that_is_not_verified_is_not_read() -> None:
    async with scripted(lambda _: page()) as api:
        api.configuration.verify_ssl = False
        with pytest.raises(NoCluster, match="not verified"):
            KubeClient(api.configuration)
