"""The budget of bytes on their way: who waits for a share gets it as soon as it is free."""

from __future__ import annotations

import asyncio

from xds.server.push import Share, WriteBudget

KIB = 1024


async def turns() -> None:
    """Let all that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def given(budget: WriteBudget, size_bytes: int) -> Share:
    share = await budget.take(size_bytes)
    assert share is not None
    return share


async def test_one_large_share_makes_room_for_many_small_ones() -> None:
    budget = WriteBudget(100 * KIB, 60)
    large = await given(budget, 100 * KIB)
    small = [asyncio.create_task(given(budget, 20 * KIB)) for _ in range(6)]
    await turns()
    assert not any(task.done() for task in small)
    large.end()
    await turns()
    assert [task.done() for task in small] == [True] * 5 + [False]
    small[0].result().end()
    await turns()
    assert small[5].done()
    for task in small:
        task.result().end()


async def test_the_turn_of_one_who_has_gone_is_the_next_ones() -> None:
    budget = WriteBudget(100 * KIB, 60)
    large = await given(budget, 100 * KIB)
    gone, next_one = (asyncio.create_task(given(budget, 60 * KIB)) for _ in range(2))
    await turns()
    large.end()
    gone.cancel()  # it was its turn, but it has not run since
    await turns()
    assert gone.cancelled()
    assert next_one.done()
    next_one.result().end()


async def test_a_share_larger_than_the_budget_goes_alone() -> None:
    budget = WriteBudget(100 * KIB, 60)
    small = await given(budget, 20 * KIB)
    large = asyncio.create_task(given(budget, 300 * KIB))
    await turns()
    assert not large.done()
    small.end()
    await turns()
    assert large.done()
    large.result().end()
