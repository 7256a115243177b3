"""One kind that is followed, on an API server that says strange things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.kube.waiting import until
from tests.unit.sources.kube_scripted import EXPIRED, Answer, Asked, events, named, page, scripted
from xds.decoders.shape.api_objects import ApiKind
from xds.model.refs import ObjectRef
from xds.sources.changes import Changed
from xds.sources.kube_client import KubeClient
from xds.sources.kube_gathered import Gathered
from xds.sources.kube_kinds import WatchedKind
from xds.sources.kube_retries import Reach
from xds.sources.kube_watch import KindWatch

NAMESPACES = WatchedKind(ApiKind("", "Namespace", ("v1",), "namespaces"))
MANY = [named(f"n-{number}") for number in range(6)]


@asynccontextmanager
async def following(script: Callable[[Asked], Answer]) -> AsyncIterator[tuple[KindWatch, Gathered, list[Asked]]]:
    """The kind Namespace while it is followed."""
    async with scripted(script) as api:
        client, gathered = KubeClient(api.configuration), Gathered("k")
        watch = KindWatch(NAMESPACES, client, gathered, Reach("k"), "k")
        running = asyncio.create_task(watch.run())
        try:
            yield watch, gathered, api.asked
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.aclose()


def script(lists: list[Answer], watches: list[Answer]) -> Callable[[Asked], Answer]:
    """Answers in turn; the last of each for ever."""

    def answer(asked: Asked) -> Answer:
        waiting = watches if "watch" in asked.query else lists
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


def ref(name: str) -> ObjectRef:
    return ObjectRef("", "Namespace", "", name)


async def until_changed(gathered: Gathered, holds: Callable[[Changed], Any]) -> Changed:
    """The changes from now on, together, once they hold."""
    upserts: list[Any] = []
    deletes: list[ObjectRef] = []
    problems: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while True:
            await gathered.news()
            change = gathered.changed() or Changed("k")
            upserts += change.upserts
            deletes += change.deletes
            problems |= change.problems
            whole = Changed("k", tuple(upserts), tuple(deletes), problems)
            if holds(whole):
                return whole


async def test_a_list_that_suddenly_is_empty_is_not_believed_at_once() -> None:
    told = script(
        [page(*MANY, version=5), page(version=9)],
        [events(("ERROR", EXPIRED)), events(("ADDED", named("new", 10)))],
    )
    async with following(told) as (watch, gathered, _):
        change = await until_changed(gathered, lambda change: ref("new") in [each.ref for each in change.upserts])
        assert not change.deletes
        assert [problem.code for problem in change.problems["k namespaces"]] == ["kubernetes.doubted"]
        health = watch.health()
        assert (health.synced, health.objects, health.doubted) == (True, 7, 6)


async def test_an_empty_list_is_believed_when_it_stays() -> None:
    told = script([page(*MANY, version=5), page(version=9)], [events(("ERROR", EXPIRED)), events(stays=False)])
    async with following(told) as (watch, gathered, _):
        await until(lambda: watch.health().doubted == 6)
        change = await until_changed(gathered, lambda change: change.deletes)
        assert len(change.deletes) == 6
        assert change.problems["k namespaces"] == ()
        assert watch.health().objects == 0


async def test_objects_that_a_later_list_lacks_are_gone() -> None:
    told = script([page(*MANY, version=5), page(*MANY[1:], version=9)], [events(("ERROR", EXPIRED)), events()])
    async with following(told) as (_, gathered, asked):
        change = await until_changed(gathered, lambda change: change.deletes)
        assert change.deletes == (ref("n-0"),)
        await until(lambda: len(asked) == 4)
        assert asked[-1].query["resourceVersion"] == "9"


async def test_an_api_server_whose_time_went_back_is_listed_again() -> None:
    told = script([page(*MANY, version=50), page(*MANY, version=7)], [events(("BOOKMARK", named("", 6))), events()])
    async with following(told) as (_, _gathered, asked):
        await until(lambda: len(asked) == 4)
        assert [each.query.get("resourceVersion") for each in asked] == [None, "50", None, "7"]


async def test_a_watch_that_breaks_goes_on_where_it_was() -> None:
    told = script([page(*MANY, version=5)], [events(("MODIFIED", named("n-0", 6)), stays=False), events()])
    async with following(told) as (_, _gathered, asked):
        await until(lambda: len(asked) == 3)
        assert [each.query.get("resourceVersion") for each in asked] == [None, "5", "6"]


async def test_a_list_that_expires_half_way_begins_anew() -> None:
    lists = [page(MANY[0], version=5, more="rest"), Answer(b'{"reason": "Expired"}', 410), page(*MANY, version=6)]
    async with following(script(lists, [events()])) as (watch, gathered, asked):
        await until(lambda: watch.synced)
        assert len(gathered.all().objects) == 6
        assert [each.query.get("continue") for each in asked[:3]] == [None, "rest", None]


async def test_what_is_refused_is_not_synced_and_says_what_it_needs() -> None:
    refused = Answer(b'{"message": "namespaces is forbidden"}', 403)
    async with following(script([refused, refused, page(*MANY)], [events()])) as (watch, gathered, _):
        await until(lambda: watch.health().problem == "namespaces is forbidden")
        assert not watch.synced
        await until(lambda: watch.synced)
        first = gathered.all()
        assert len(first.objects) == 6
        assert not first.problems


async def test_an_object_that_cannot_be_read_keeps_its_last_good_version() -> None:
    bad = named("n-0", 6, labels={"a": 1})
    told = script([page(*MANY, version=5)], [events(("MODIFIED", bad))])
    async with following(told) as (_, gathered, _asked):
        change = await until_changed(gathered, lambda change: change.problems)
        assert not change.deletes
        (problem,) = change.problems["Namespace n-0"]
        assert (problem.at.dotted, problem.code, str(problem.origin)) == ("metadata.labels.a", "field.type", "k@6")
