"""Hours and days, of a Prometheus that is made up."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from bench.made_up_mesh import MadeUpMesh
from tests.unit.prometheus.prometheus import prometheus
from xds.admin.app import app
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around
from xds.dashboard.past import Past
from xds.prometheus.client import Limits, Prometheus

HOST = 'we"b'
NOW = int(time.time())


async def ask(past: Past | None, path: str, **query: str) -> tuple[int, Any]:
    mesh = MadeUpMesh()
    transport = httpx.ASGITransport(app=with_dashboard(app(mesh), mesh, mesh, Around(past=past)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(f"/dashboard/api/{path}", params=query)
    return answer.status_code, answer.json()


def told(name: str, *series: tuple[dict[str, str], list[float]]) -> dict[str, Any]:
    """What each step of three minutes has, the last one now."""
    return {
        name: [
            {
                "metric": labels,
                "values": [[NOW - 180 * back, str(value)] for back, value in enumerate(reversed(values))],
            }
            for labels, values in series
        ]
    }


TOLD = {
    **told(
        "istio_requests_total",
        ({"response_code": "200"}, [90, 0, 180]),
        ({"response_code": "503", "response_flags": "UO"}, [10, 0, 0]),
    ),
    **told(
        "istio_request_duration_milliseconds_bucket",
        ({"le": "5"}, [50, 0, 180]),
        ({"le": "10"}, [100, 0, 180]),
        ({"le": "+Inf"}, [100, 0, 180]),
    ),
    **told("istio_request_duration_milliseconds_sum", ({}, [27000, 0, 9000])),
    **told("istio_request_bytes_sum|istio_tcp_received_bytes_total", ({}, [1000, 0, 2000])),
}


async def test_the_charts_of_six_hours() -> None:
    with prometheus(TOLD) as (url, queries):
        past = Past(Prometheus(url))
        status, found = await ask(past, "past/series", window="6h", service=HOST)
        again = await ask(past, "past/series", window="6h", service=HOST)
    assert (status, found["step_s"], again) == (200, 180, (200, found))
    first, quiet, last = found["points"]
    assert (first["requests"], first["errors_5xx"], first["error_share"], first["bytes_sent"]) == (100, 10, 0.1, 1000)
    assert (first["rate"], first["p50_ms"]) == (pytest.approx(0.556), 5.0)
    assert (quiet["requests"], quiet["p50_ms"], last["requests"], last["rate"]) == (0, None, 180, 1.0)
    assert [each["in_flight"] for each in found["points"]] == [0.15, 0, 0.05]
    assert [each["overloaded"] for each in found["points"]] == [10, 0, 0]
    assert len(queries) == 6
    assert all('destination_service="we\\"b"' in each for each in queries)


async def test_the_overview_says_what_can_be_asked() -> None:
    assert (await ask(Past(Prometheus("http://x")), "overview"))[1]["past"] == ["6h", "24h", "7d"]
    assert (await ask(None, "overview"))[1]["past"] == []
    status, found = await ask(None, "past/series", window="6h")
    assert (status, "knows no Prometheus" in found["error"]) == (400, True)


async def test_who_does_not_answer_is_named_without_the_password() -> None:
    past = Past(Prometheus("http://ops:s3cret@127.0.0.1:1/prom/"))
    for path in ("past/series", "past/graph"):
        status, found = await ask(past, path, window="24h")
        assert status == 502
        assert found["error"].startswith("no Prometheus answers at http://127.0.0.1:1/prom (")
        assert "s3cret" not in json.dumps(found)
    assert "s3cret" not in repr(Prometheus("http://ops:s3cret@x"))
    assert (await ask(past, "past/series", window="8d"))[0] == 400


async def test_answers_have_a_largest_size_and_a_time_limit() -> None:
    with prometheus(TOLD) as (url, _):
        status, found = await ask(Past(Prometheus(url, Limits(size_bytes=50))), "past/series", window="6h")
        assert (status, "answers more than 50 bytes" in found["error"]) == (400, True)
        status, found = await ask(Past(Prometheus(url, Limits(series=2))), "past/series", window="6h")
        assert "answers 3 series, 2 are read" in found["error"]

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        slow = Past(Prometheus(f"127.0.0.1:{port}", Limits(timeout_s=0.1)))
        status, found = await ask(slow, "past/graph", window="6h")
    assert (status, "does not answer" in found["error"]) == (502, True)
