"""What the page asks for, of a mesh that is made up."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bench.dashboard import made_up
from bench.made_up_mesh import MadeUpMesh

MESH = MadeUpMesh(12, 30)
HOST = "cart.billing.svc.cluster.local"


async def ask(page: str, status: int = 200, /, **query: str) -> Any:
    transport = httpx.ASGITransport(app=made_up(MESH))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(f"/dashboard/api/{page}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_the_overview_counts() -> None:
    told = await ask("overview")
    assert (told["proxies"], told["rejected"], told["stale"]) == (30, 1, 1)
    assert told["problems"] == {"error": 1, "warning": 1, "info": 0}


async def test_proxies_that_lag_come_first() -> None:
    told = await ask("proxies")
    assert [row["types"]["rds"] for row in told[:2]] == ["REJECTED", "SYNCED"]
    assert told[1]["types"]["eds"] == "STALE"
    assert len(told) == 30


async def test_a_proxy_is_found_by_its_label_and_tells_what_it_was_sent() -> None:
    told = await ask("proxy", id="payments-5.billing")
    assert told["types"]["rds"]["rejected"] == [
        {"name": "80", "reason": "only unique values for domains are permitted"}
    ]
    sent = next(each for each in told["resources"] if each["type"] == "cds" and HOST in each["name"])
    assert sent["by"] == [{"object": "VirtualService billing/cart", "origin": "routes.yaml:7", "generation": 2}]
    assert "resource" not in sent


async def test_the_content_of_a_resource_is_asked_for_alone() -> None:
    told = await ask("resource", proxy="payments-5.billing", type="cds", name=f"outbound|80||{HOST}")
    assert told == {"resource": {"name": f"outbound|80||{HOST}"}}


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("proxy", {"id": "gone"}, "no proxy 'gone' is connected"),
        ("resource", {"proxy": "gone"}, "no proxy 'gone' is connected"),
        ("resource", {"proxy": "web-0.shop", "type": "cds", "name": "x"}, "the proxy was sent no cds 'x'"),
    ],
)
async def test_what_is_not_there_is_said_to_be(name: str, query: dict[str, str], error: str) -> None:
    assert await ask(name, 404, **query) == {"error": error}


async def test_a_service_tells_its_routes_its_workloads_and_the_objects_behind_it() -> None:
    told = await ask("service", host=HOST)
    assert told["seen_by"].endswith(".billing")
    assert [(each["matches"], each["to"], each["timeout"], each["retries"]) for each in told["routes"]] == [
        ("/*", [f"{HOST}:80"], "2s", "2 on 5xx")
    ]
    assert [(each["object"], each["types"]) for each in told["objects"]] == [
        ("VirtualService billing/cart", ["cds", "eds", "vhds"])
    ]
    assert told["workloads"][0]["policies"] == [
        {"object": "AuthorizationPolicy billing/cart", "origin": "policies.yaml:12"}
    ]


async def test_a_service_that_nobody_knows_is_empty() -> None:
    assert (await ask("service", host="gone"))["workloads"] == []


async def test_objects_tell_where_they_are_live_and_what_they_did() -> None:
    told = {each["object"]: each for each in await ask("objects")}
    policy, route = told["AuthorizationPolicy shop/web"], told["VirtualService billing/cart"]
    assert (policy["live"], policy["total"], policy["refused"], policy["dry_run"], policy["problems"]) == (
        30,
        30,
        7,
        3,
        1,
    )
    assert (route["live"], route["errors"], route["rejections"][0]["proxy"]) == (29, True, "web-5.shop")


async def test_a_question_needs_both_ends() -> None:
    assert "say who calls and what" in (await ask("explain", 400, to="web"))["error"]


async def test_a_question_that_cannot_be_answered_says_why() -> None:
    assert "nobody is there" in (await ask("explain", 400, **{"from": "shop/web", "to": "cart:80"}))["error"]


async def test_who_may_call_is_told_for_each_port() -> None:
    told = await ask("callers", host=HOST, port="80")
    assert {each["verdict"] for each in told} == {"allowed", "denied"}
    assert "no service" in (await ask("callers", 404, host=HOST, port="81"))["error"]
