"""Who may ask for pages by which name."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from xds.dashboard.guard import Guard, is_own_name


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


APP = Guard(Starlette(routes=[Route(path, _hello, methods=["GET", "POST"]) for path in ("/", "/debug/record")]))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:15014",
        "localhost:15014",
        "LOCALHOST",
        "[::1]:15014",
        "10.1.2.3",
        "plait",
        "istiod.istio-system.svc:15014",
        "istiod.istio-system.svc.cluster.local.",
        "",
    ],
)
def test_our_own_names(host: str) -> None:
    assert is_own_name(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:15014", "127.0.0.1.evil.example", "localhost.evil.example", "[evil.example]:1"],
)
def test_names_that_others_may_have_lead_here(host: str) -> None:
    assert not is_own_name(host)


async def _ask(path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=APP), base_url="http://127.0.0.1") as client:
        return await client.request(method, path, headers=named)


async def test_a_rebound_name_is_refused() -> None:
    refused = await _ask(host="evil.example")
    assert refused.status_code == 421
    assert "evil.example: must be an address, localhost or a name of the cluster" in refused.text


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
async def test_other_sites_scripts_get_nothing(site: str, mode: str, status: int) -> None:
    assert (await _ask(sec_fetch_site=site, sec_fetch_mode=mode)).status_code == status


async def test_browsers_are_bound() -> None:
    headers = (await _ask()).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("destination", ["iframe", "object", "embed", "image"])
async def test_other_sites_cannot_have_a_page_of_ours_in_a_frame(destination: str) -> None:
    asked = await _ask(sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest=destination)
    assert asked.status_code == 403


async def test_other_sites_forms_get_nothing() -> None:
    assert (await _ask(method="POST", sec_fetch_site="cross-site", sec_fetch_mode="navigate")).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"user_agent": "curl/8.5.0"}, 200),
        ({"user_agent": "Mozilla/5.0 (X11)", "sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, 200),
        ({"user_agent": "Mozilla/5.0 (X11)", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, 403),
        ({"user_agent": "Mozilla/5.0 (X11)"}, 403),
    ],
)
async def test_what_begins_something_is_not_begun_by_a_link(headers: dict[str, str], status: int) -> None:
    assert (await _ask("/debug/record", **headers)).status_code == status
