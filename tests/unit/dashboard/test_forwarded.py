"""The dashboard on the machine of who looks at it."""

from __future__ import annotations

import httpx
import pytest

from xds.dashboard.forwarded import forwarded
from xds.failure import Failure


async def _ask(path: str) -> tuple[httpx.Response, list[str]]:
    asked: list[str] = []

    class One:
        name = "one"

        def get(self, wanted: str) -> tuple[int, bytes]:
            asked.append(wanted)
            if "gone" in wanted:
                raise Failure("nobody answers there")
            return 404, b'{"error":"no such thing"}'

        def act(self, wanted: str, authorization: str) -> tuple[int, bytes]:
            return self.get(wanted)

    transport = httpx.ASGITransport(app=forwarded(lambda: [One()]))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path), asked


async def test_questions_of_the_page_are_passed_on_as_they_are() -> None:
    path = "/dashboard/api/proxy?id=a%2Fb&x=1"
    answer, asked = await _ask(path)
    assert (answer.status_code, answer.json(), asked) == (404, {"error": "no such thing"}, [path])


async def test_a_control_plane_that_is_away_is_told_of() -> None:
    answer, _ = await _ask("/debug/telemetry/gone")
    assert (answer.status_code, answer.json()) == (502, {"error": "nobody answers there"})


@pytest.mark.parametrize("path", ["/debug/record?workload=shop/web&for=5m", "/debug/config_dump", "/metrics"])
async def test_nothing_else_is(path: str) -> None:
    answer, asked = await _ask(path)
    assert (answer.status_code, asked) == (404, [])
