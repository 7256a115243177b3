"""Work that goes on together, and ends together."""

from __future__ import annotations

import asyncio

import pytest

from xds.tasks import Tasks


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _broken() -> None:
    raise ValueError("a part")


async def test_what_ends_a_part_ends_the_wait() -> None:
    tasks = Tasks()
    tasks.begin_all({"goes on": _until(asyncio.Event()), "breaks": _broken()})
    with pytest.raises(ValueError, match="a part"):
        await tasks.wait()
    await tasks.end(by_themselves=())


async def test_an_event_is_awaited_only_while_all_parts_go_on() -> None:
    tasks, never, set_already = Tasks(), asyncio.Event(), asyncio.Event()
    set_already.set()
    tasks.begin(_until(never), "goes on")
    await tasks.until(set_already)
    tasks.begin(_broken(), "breaks")
    with pytest.raises(ValueError, match="a part"):
        await tasks.until(never)
    await tasks.end(by_themselves=())


async def test_who_ends_by_itself_is_told_and_waited_for() -> None:
    tasks, tidied = Tasks(), []

    async def tidy() -> None:
        await tasks.ending.wait()
        tidied.append("tidy")

    tasks.begin_all({"tidy": tidy(), "other": _until(asyncio.Event())})
    await tasks.end(by_themselves={"tidy"})
    assert tidied == ["tidy"]
