"""The dashboard in a browser: what it draws of real traffic through real sidecars, and of a large mesh."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import expect
from starlette.routing import Route

from bench.dashboard import made_up
from bench.made_up_mesh import MadeUpMesh
from tests.envoy.browser import LIMIT_MS, Open, browser, until
from tests.envoy.manifests import documents, namespace, pod, security, service, to, virtual_service
from tests.unit.dashboard.acting import Rollouts, Writers
from xds.admin.app import app
from xds.cli.address import Address
from xds.dashboard.acting import Acting
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around
from xds.dashboard.forwarded import forwarded
from xds.dashboard.past import Past
from xds.model.refs import ObjectRef
from xds.prometheus.client import Prometheus
from xds.testing.mesh import Mesh
from xds.up import HTTP_SOCKET

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

WEB: Final = "web.shop.svc.cluster.local"
# What Cytoscape draws is on a canvas: it is asked for it by the element.
GRAPH: Final = "document.querySelector('.canvas')?._cyreg?.cy"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
        virtual_service("web", {"name": "all", "timeout": "3s", "route": [to("web")]}),
        security(
            "AuthorizationPolicy",
            "no-deletes",
            action="DENY",
            selector={"matchLabels": {"app": "web"}},
            rules=[{"to": [{"operation": {"methods": ["DELETE"]}}]}],
        ),
    )


@asynccontextmanager
async def looking_at(mesh: Mesh) -> AsyncIterator[Open]:
    """The dashboard of a mesh, as ``plait dashboard`` serves it."""
    control_plane = Address(f"unix:{mesh.local.socket_path(HTTP_SOCKET)}")
    async with browser(forwarded(lambda: [control_plane])) as show:
        yield show


async def test_the_graph_has_who_calls_whom_and_leads_to_the_service(mesh: Mesh) -> None:
    async with looking_at(mesh) as show, mesh.load("client", "http://web/", 20):
        page = await show("graph")
        row = page.locator("main table tbody tr", has_text="client.shop").filter(has_text=WEB)
        await expect(row.get_by_alt_text("mutual TLS")).to_be_visible()
        await until(page, f"{GRAPH}.nodes('.place').length >= 2 && {GRAPH}.nodes('.lock.mutual_tls').length >= 1")
        assert await page.evaluate(f"{GRAPH}.edges().map(each => each.data('source'))") == ["shop/client"]
        await row.get_by_role("link", name=WEB).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(WEB)
        await expect(page.get_by_role("img", name=re.compile("^Requests: now all [0-9]"))).to_be_visible(
            timeout=LIMIT_MS
        )
        await expect(page.locator("tr", has_text="VirtualService shop/web").first).to_contain_text("3s")
        await expect(page.locator("tr", has_text="AuthorizationPolicy shop/no-deletes")).to_contain_text("web-v1")
        await page.get_by_text("Who may GET / at port 80?").click()
        await expect(page.get_by_role("row", name="shop/client allowed")).to_be_visible()


async def test_why_is_answered_as_explain_answers(mesh: Mesh) -> None:
    async def told() -> bool:
        return bool(mesh.up.control_plane.failed.lately(("shop/client",)))

    assert (await mesh.get("client", "http://web/?status=500")).status == 500
    await mesh.until(told, "the failure is told of")
    async with looking_at(mesh) as show:
        page = await show("why")
        await page.get_by_label("Who calls").fill("shop/client")
        await page.get_by_label("What").fill("web:80")
        await page.get_by_label("Method").fill("DELETE")
        await page.keyboard.press("Enter")
        answer = page.get_by_role("region", name="Answer")
        await expect(answer).to_contain_text("denied")
        await expect(answer).to_contain_text("AuthorizationPolicy shop/no-deletes")
        way = answer.get_by_role("row").filter(has=page.get_by_role("rowheader", name="route", exact=True))
        await expect(way).to_contain_text("VirtualService shop/web")
        await page.get_by_label("Method").fill("GET")
        await page.get_by_role("button", name="Ask").click()
        await expect(answer).to_contain_text("allowed")
        failed = answer.get_by_role("row").filter(has_text="the application itself answers so")
        await expect(failed).to_contain_text("Pod shop/web")
        await page.get_by_label("Who calls").fill("shop/nobody")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("nobody")


async def test_a_proxy_shows_what_it_was_sent(mesh: Mesh) -> None:
    async with looking_at(mesh) as show:
        page = await show("proxies?search=client")
        await page.get_by_role("link", name="client.shop").click()
        await page.get_by_label("Find by name or object").fill("VirtualService shop/web")
        found = page.locator("details", has_text=f"80/{WEB}:80")
        await found.locator("summary").click()
        await expect(found.locator("pre")).to_contain_text('"timeout": "3s"')


async def test_changes_and_objects_say_how_many_proxies_have_them(mesh: Mesh) -> None:
    edited = documents(virtual_service("other", {"route": [to("web")]}, name="more"))
    async with mesh.one_test(), looking_at(mesh) as show:
        await mesh.apply(edited)
        page = await show("changes")
        change = page.get_by_role("listitem").filter(has_text="created VirtualService shop/more").first
        await expect(change).to_contain_text(re.compile("have it|refused|for no proxy"))
        await page.get_by_role("link", name="Policies").click()
        await page.get_by_label("Find an object").fill("no-deletes")
        await expect(page.locator("tbody tr").first).to_contain_text("Live 1 of 1")


async def test_it_can_be_used_with_the_keyboard_alone() -> None:
    async with browser(made_up(MadeUpMesh(12, 30))) as show:
        page = await show("graph")
        await until(page, f"{GRAPH}?.nodes('.place').length > 0")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        for _ in range(12):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.classList.contains('canvas')"):
                break
        await page.keyboard.press("ArrowRight")
        first = await page.locator("aside h2").inner_text()
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("aside h2")).not_to_have_text(first)
        await page.keyboard.press("Escape")
        await expect(page.locator("aside")).to_contain_text("Choose a workload")


async def test_filters_leave_what_matches_and_its_neighbours() -> None:
    async with browser(made_up(MadeUpMesh(12, 30))) as show:
        page = await show("graph")
        rows = page.locator("main table tbody tr")
        await expect(rows).to_have_count(13)
        await page.get_by_label("Find a workload or service").fill("payments")
        await expect(rows).to_have_count(1)
        await until(page, f"{GRAPH}.nodes('.place').length === 2")
        await page.get_by_label("Find a workload or service").fill("")
        await page.get_by_label("Namespace").select_option("shop")
        await expect(page.locator("tbody tr", has_text="billing").filter(has_not_text=".shop")).to_have_count(0)


@pytest.mark.parametrize(("system", "dark"), [("light", False), ("dark", True)])
async def test_light_and_dark(system: str, dark: bool) -> None:
    async with browser(made_up(MadeUpMesh(12, 30)), color_scheme=system) as show:
        page = await show("proxies")
        await expect(page.locator("tbody tr").first).to_contain_text("REJECTED")
        shade = (
            "getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/g).slice(0, 3).every(x => x < 60)"
        )
        assert await page.evaluate(shade) is dark
        await page.get_by_label("Theme").select_option("light" if dark else "dark")
        await until(page, f"({shade}) !== {str(dark).lower()}")


async def test_a_large_mesh_is_drawn_by_namespaces_first() -> None:
    async with browser(made_up(MadeUpMesh(200, 1000))) as show:
        page = await show("graph")
        await until(page, f"{GRAPH}?.nodes('.place').length === 9")
        await page.get_by_label("Namespace").select_option("billing")
        await until(page, f"{GRAPH}.nodes('.place').length > 20 && {GRAPH}.nodes('.place').length < 200")
        await page.get_by_role("link", name="Proxies", exact=True).click()
        await expect(page.locator("tbody tr")).to_have_count(250)
        await expect(page.get_by_role("status")).to_contain_text("of 1000 proxies in sync")


async def test_a_prometheus_that_is_away_is_told_of_and_the_last_hour_goes_on() -> None:
    mesh = MadeUpMesh(12, 30)
    pages = app(mesh)
    pages.routes[:0] = mesh.traffic.pages()
    past = Past(Prometheus("http://ops:s3cret@127.0.0.1:1"))
    async with browser(with_dashboard(pages, mesh, mesh, Around(past=past))) as show:
        page = await show("services/cart.billing.svc.cluster.local")
        chart = page.get_by_role("img", name=re.compile("^Requests: now all [0-9]"))
        await expect(chart).to_be_visible()
        await page.get_by_label("Over the last").select_option("24h")
        await expect(page.get_by_role("alert")).to_contain_text("no Prometheus answers at http://127.0.0.1:1 (")
        await expect(page.get_by_role("alert")).not_to_contain_text("s3cret")
        await page.get_by_label("Over the last").select_option("1h")
        await expect(chart).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_who_logs_in_may_let_a_rollout_through() -> None:
    mesh = MadeUpMesh(12, 30)
    ref = ObjectRef("networking.istio.io", "VirtualService", *mesh.names[2])
    rollouts = Rollouts(held={ref: None})
    pages = app(mesh)
    pages.routes[:0] = [*mesh.traffic.pages(), Route("/debug/rollouts", mesh.rollouts)]
    around = Around(acting=Acting(rollouts, Writers(ref)), replicas=lambda: 3)
    async with browser(with_dashboard(pages, mesh, mesh, around)) as show:
        page = await show("changes")
        promote = page.get_by_role("button", name="Promote")
        await expect(page.get_by_text("proxies of 1 of 3 replicas")).to_be_visible()
        await expect(page.get_by_text("Step 2 of 3")).to_be_visible()
        await expect(promote).to_have_count(0)
        for token, user in (("wrong", ""), ("t-bob", "bob"), ("t-ann", "ann")):
            await page.get_by_role("button", name="Log in").first.click()
            await page.get_by_label("A token of the cluster").fill(token)
            await page.keyboard.press("Enter")
            if not user:
                await expect(page.get_by_role("alert")).to_contain_text("does not take this token")
                await page.get_by_role("button", name="Cancel").click()
                continue
            await expect(page.get_by_text(user, exact=True)).to_be_visible()
            async with page.expect_response("**/dashboard/api/rollouts/promote*"):
                await promote.click()
            if user == "bob":
                await expect(page.get_by_role("alert")).to_contain_text(f"bob may not update {ref}")
                await page.get_by_role("button", name="Log out").click()
        assert rollouts.decided == [("promote", (ref,))]
