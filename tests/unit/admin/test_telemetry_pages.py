"""The pages of the last hour."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.admin.test_pages import FakeStatus, get
from tests.unit.telemetry.told import Call, Clock, mesh, pod, requests, tell
from xds.telemetry.telemetry import Telemetry

SIGNALS = {
    "requests": 10,
    "rate": 1.0,
    "errors_4xx": 0,
    "errors_5xx": 0,
    "error_share": 0.0,
    "p50_ms": 3.0,
    "p95_ms": 4.8,
    "p99_ms": 4.96,
    "bytes_sent": 0,
    "bytes_received": 0,
    "connections_opened": 0,
    "connections_open": 0,
    "in_flight": 0.003,
    "overloaded": 0,
}


def status() -> FakeStatus:
    """What is told ten seconds after ten requests."""
    clock = Clock()
    hour = Telemetry(lambda: mesh(pod("web", proxied=True)), tuple, clock)
    tell(hour, "web", requests(Call(more={"destination_version": "v1"}), 10, took_ms=[3.0] * 10))
    clock.now += 10
    return FakeStatus(hour=hour.known)


async def page(path: str) -> httpx.Response:
    return await get(f"/debug/telemetry/{path}", status())


async def test_the_graph() -> None:
    told = (await page("graph?window=60s&namespace=shop")).json()
    assert told == {
        "window_s": 60,
        "at": "2026-11-21T19:23:30+00:00",
        "nodes": [
            {"id": "shop/db", "kind": "workload", "namespace": "shop", "name": "db", "version": "v1"},
            {"id": "shop/web", "kind": "workload", "namespace": "shop", "name": "web", "version": ""},
        ],
        "edges": [
            {
                "source": "shop/web",
                "destination": "shop/db",
                "service": "db.shop.svc.cluster.local",
                "protocol": "http",
                "security": "mutual_tls",
                "signals": SIGNALS,
            }
        ],
    }
    assert (await page("graph?namespace=other")).json()["edges"] == []


async def test_services() -> None:
    [told] = (await page("services")).json()
    assert told == {
        "host": "db.shop.svc.cluster.local",
        "namespace": "shop",
        "signals": SIGNALS,
        "callers": ["shop/web"],
        "workloads": ["shop/db"],
    }


async def test_series() -> None:
    told = (await page("series?service=db.shop.svc.cluster.local&window=60s")).json()
    assert told == {"step_s": 10, "points": [{"at": "2026-11-21T19:23:20+00:00", **SIGNALS}]}
    assert (await page("series?workload=shop/web&direction=out")).json() == told
    assert (await page("series?workload=shop/web")).json()["points"][0]["requests"] == 0


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("graph?window=1", "window must be a duration of 10s to 1h, such as 60s or 5m, is '1'"),
        ("graph?window=2h", "window must be a duration of 10s to 1h, such as 60s or 5m, is '2h'"),
        ("services?window=-5s", "window must be a duration of 10s to 1h, such as 60s or 5m, is '-5s'"),
        (f"graph?namespace={'a' * 700}", "namespace must be a name, is 700 characters long"),
        ("series", "say which: ?service=HOST or ?workload=NAMESPACE/NAME"),
        ("series?service=a&workload=b/c", "say which: ?service=HOST or ?workload=NAMESPACE/NAME"),
        ("series?workload=web", "workload must be NAMESPACE/NAME, is 'web'"),
        ("series?workload=a/b&direction=up", "direction must be in or out, is 'up'"),
        ("series?service=a&step=x", "step must be a duration of 10s to 1h, such as 60s or 5m, is 'x'"),
    ],
)
async def test_what_is_asked_badly(path: str, error: str) -> None:
    answer = await page(path)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_what_is_counted_of_the_counting() -> None:
    assert (await get("/metrics", status())).status_code == 200
