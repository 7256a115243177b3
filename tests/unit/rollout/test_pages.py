"""Who may decide on rollouts by the pages that ask for no token."""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette

from tests.unit.dashboard.acting import WEB, Rolling, Rollouts
from xds.rollout.pages import routes


async def decided(what: str, client: str, **headers: str) -> tuple[int, list[Any]]:
    """The status, and what was decided."""
    rollouts = Rollouts(standing=Rolling((WEB,)))
    transport = httpx.ASGITransport(app=Starlette(routes=routes(cast(Any, rollouts))), client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as asking:
        answer = await asking.post(f"/debug/rollouts/{what}")
    return answer.status_code, rollouts.decided


@pytest.mark.parametrize("what", ["promote", "abort"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1", ""])
async def test_commands_on_this_machine_decide(what: str, client: str) -> None:
    assert await decided(what, client) == (200, [(what, (WEB,))])


@pytest.mark.parametrize("what", ["promote", "abort"])
async def test_nobody_on_the_network_and_no_page_of_a_browser_decides(what: str) -> None:
    assert await decided(what, "192.0.2.7") == (403, [])
    assert await decided(what, "127.0.0.1", origin="https://evil.example") == (403, [])
