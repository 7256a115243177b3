"""What several replicas tell, put together."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bench.dashboard import made_up
from bench.made_up_mesh import MadeUpMesh
from xds.dashboard.forwarded import forwarded
from xds.dashboard.merged import MERGED
from xds.failure import Unreachable
from xds.telemetry.histogram import BUCKETS
from xds.telemetry.signals import WIDTH, Count, Total

WEB = "web.shop.svc.cluster.local"


def total(requests: int, errors: int = 0, bucket: int = 3) -> Total:
    found = Total()
    row = [0.0] * WIDTH
    row[Count.BUSY_MS] = 100 * requests
    row[Count.REQUESTS], row[Count.ERRORS_5XX], row[WIDTH - BUCKETS + bucket] = requests, errors, requests
    found.add(row)
    return found


def signals(of: Total, seconds: float = 60.0) -> dict[str, Any]:
    told = of.signals(seconds)
    return {name: getattr(told, name) for name in told.__slots__}


def edge(source: str, requests: int, security: str = "mutual_tls", **more: Any) -> dict[str, Any]:
    known = total(requests, **more)
    ends = {"source": source, "destination": "shop/web", "service": WEB, "protocol": "http"}
    return {**ends, "security": security, "signals": signals(known), "durations": list(known.durations)}


def graph(*edges: dict[str, Any]) -> dict[str, Any]:
    ids = sorted({edge[end] for edge in edges for end in ("source", "destination")})
    nodes = [
        {"id": each, "kind": "workload" if "/" in each else "unknown", "namespace": "", "name": each} for each in ids
    ]
    return {
        "window_s": 60,
        "at": "2026-01-01T00:00:00",
        "nodes": [{**node, "version": ""} for node in nodes],
        "edges": list(edges),
    }


def merged(path: str, *told: Any) -> Any:
    return MERGED[path](told, len(told))


def test_edges_add_up_and_quantiles_are_those_of_all() -> None:
    told = merged(
        "/debug/telemetry/graph", graph(edge("shop/a", 30, bucket=2)), graph(edge("shop/a", 10, errors=4, bucket=6))
    )
    [one] = told["edges"]
    assert (one["signals"]["requests"], one["signals"]["errors_5xx"], one["signals"]["error_share"]) == (40, 4, 0.1)
    assert one["signals"]["p50_ms"] < 5
    assert 50 < one["signals"]["p95_ms"] < 100
    assert "durations" not in one


def test_who_speaks_plaintext_at_one_replica_is_not_an_unknown_caller_at_another() -> None:
    told = merged(
        "/debug/telemetry/graph",
        graph(edge("shop/a", 30, "none")),
        graph(edge("unknown", 30, "none"), edge("shop/b", 1)),
    )
    assert [(each["source"], each["signals"]["requests"]) for each in told["edges"]] == [("shop/a", 30), ("shop/b", 1)]


def test_services_are_made_of_the_graph() -> None:
    [web] = merged("/debug/telemetry/services", graph(edge("shop/a", 30)), graph(edge("shop/b", 12)))
    assert (web["host"], web["namespace"], web["signals"]["requests"]) == (WEB, "shop", 42)
    assert (web["callers"], web["workloads"]) == (["shop/a", "shop/b"], ["shop/web"])


def point(at: str, requests: int, step_s: int) -> dict[str, Any]:
    known = total(requests)
    return {"at": f"2026-01-01T00:{at}+00:00", **signals(known, step_s), "durations": list(known.durations)}


def test_steps_of_a_replica_that_came_later_become_those_of_the_others() -> None:
    old = {"step_s": 60, "points": [point("00:00", 60, 60), point("01:00", 120, 60)]}
    new = {"step_s": 10, "points": [point("01:10", 10, 10), point("01:50", 20, 10), point("02:00", 99, 10)]}
    told = merged("/debug/telemetry/series", old, new)
    assert told["step_s"] == 60
    assert [(each["at"][14:19], each["requests"], each["rate"]) for each in told["points"]] == [
        ("00:00", 60, 1.0),
        ("01:00", 150, 2.5),
    ]
    assert told["points"][1]["p50_ms"] is not None
    assert [each["in_flight"] for each in told["points"]] == [0.1, 0.25]


def change(at: str, name: str, proxies: int, **more: Any) -> dict[str, Any]:
    one = {"object": name, "what": "changed", "generation": 2, "fields": ["spec.x changed"]}
    plain = {
        "generation": 7,
        "at": f"2026-01-01T00:{at}+00:00",
        "objects": [one],
        "more_objects": 0,
        "proxies": proxies,
    }
    rest = {"waiting": 0, "converged_s": 0.5, "nacks": [], "more_nacks": 0, "drains": [], "resources": {"rds": 1}}
    return {**plain, **rest, **more}


def test_a_change_that_both_have_read_is_told_once() -> None:
    one = {"started": "b", "generations": [change("00:01", "x", 3), change("00:20", "y", 1)], "generation": 7}
    other = {
        "started": "a",
        "generations": [change("00:02", "x", 2, converged_s=0.9), change("05:00", "x", 2)],
        "generation": 9,
    }
    told = merged("/debug/history", one, other)
    assert [(each["objects"][0]["object"], each["proxies"]) for each in told["generations"]] == [
        ("x", 5),
        ("y", 1),
        ("x", 2),
    ]
    assert told["generations"][0]["converged_s"] == 0.9
    assert (told["started"], [each["generation"] for each in told["generations"]]) == ("a", [1, 2, 3])


class Replica:
    """A mesh that is made up, behind HTTP."""

    def __init__(self, name: str, mesh: MadeUpMesh | None) -> None:
        self.name = name
        self._mesh = mesh

    def get(self, path: str) -> tuple[int, bytes]:
        import asyncio

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=made_up(self._mesh or MadeUpMesh()))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(path)

        if self._mesh is None:
            raise Unreachable(f"{self.name} is away")
        answer = asyncio.run(ask())
        return answer.status_code, answer.content

    def act(self, path: str, authorization: str) -> tuple[int, bytes]:
        return self.get(path)


async def asked(path: str, *replicas: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=forwarded(lambda: replicas))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path)


BOTH = (Replica("one", MadeUpMesh(12, 30)), Replica("two", MadeUpMesh(12, 20)))


@pytest.mark.parametrize("path", sorted(MERGED))
async def test_every_page_can_be_put_together(path: str) -> None:
    answer = await asked(f"{path}?window=60s&service={WEB}", *BOTH)
    assert answer.status_code == 200, answer.text


async def test_proxies_of_all_are_counted_and_who_is_away_is_told() -> None:
    told = (await asked("/dashboard/api/overview", *BOTH)).json()
    assert (told["proxies"], told["replicas"]) == (50, {"shown": 2, "known": 2})
    objects = (await asked("/dashboard/api/objects", *BOTH)).json()
    alone = (await asked("/dashboard/api/objects", BOTH[0])).json()
    assert (len(objects), objects[0]["total"], alone[0]["total"]) == (len(alone), 50, 30)
    told = (await asked("/dashboard/api/overview", BOTH[0], Replica("away", None))).json()
    assert told["replicas"] == {"shown": 1, "known": 2}
    away = await asked("/dashboard/api/overview", Replica("away", None), Replica("gone", None))
    assert (away.status_code, json.loads(away.text)) == (502, {"error": "away is away"})


async def test_a_proxy_is_found_at_the_replica_that_has_it() -> None:
    small = Replica("small", MadeUpMesh(12, 1))
    answer = await asked("/dashboard/api/proxy?id=payments-5.billing", small, BOTH[0])
    assert (answer.status_code, answer.json()["name"]) == (200, "payments-5")


class Scripted:
    """Answers what it is given, by path, and notes what it is asked."""

    def __init__(self, name: str, pages: dict[str, Any]) -> None:
        self.name = name
        self.asked: list[str] = []
        self._pages = pages

    def get(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        return 200, json.dumps(self._pages[path.partition("?")[0]]).encode()

    def act(self, path: str, authorization: str) -> tuple[int, bytes]:
        return self.get(path)


async def test_replicas_are_told_who_speaks_plaintext_at_others() -> None:
    steps = {"step_s": 60, "points": [point("00:00", 60, 60)]}
    pages = {"/debug/telemetry/series": steps}
    replicas = (
        Scripted("one", {**pages, "/debug/telemetry/graph": graph(edge("shop/a", 30, "none"))}),
        Scripted("two", {**pages, "/debug/telemetry/graph": graph(edge("unknown", 30, "none"))}),
    )
    answer = await asked(f"/debug/telemetry/series?service={WEB}&window=15m", *replicas)
    assert answer.json()["points"][0]["requests"] == 120
    for each in replicas:
        assert each.asked[1] == f"/debug/telemetry/series?service={WEB}&window=15m&durations=true&plain=shop%2Fweb"
