"""``/debug/profile``: off by default, one at a time, and with the functions in it that took the time."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from xds.admin.profile import Profile


def client() -> httpx.AsyncClient:
    application = Starlette(routes=[Route("/debug/profile", Profile().page)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://plait", timeout=60)


def burn() -> int:
    return sum(number * number for number in range(20_000))


async def test_what_the_time_went_to() -> None:
    async with client() as asking:
        answer = asyncio.ensure_future(asking.get("/debug/profile?seconds=0.3&sort=total"))
        while not answer.done():
            burn()
            await asyncio.sleep(0)
        told = await answer
    assert told.status_code == 200
    assert "burn" in told.text


async def test_one_at_a_time() -> None:
    async with client() as asking:
        codes = {
            (await each).status_code
            for each in [asyncio.ensure_future(asking.get("/debug/profile?seconds=1")) for _ in range(2)]
        }
    assert codes == {200, 409}


@pytest.mark.parametrize("query", ["seconds=0", "seconds=61", "seconds=x", "seconds=nan", "sort=name"])
async def test_what_makes_no_sense(query: str) -> None:
    async with client() as asking:
        assert (await asking.get(f"/debug/profile?{query}")).status_code == 400
