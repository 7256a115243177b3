"""Who may act from the page: the cluster's API server says it, of each object."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bench.made_up_mesh import MadeUpMesh
from tests.unit.dashboard.acting import CART, WEB, Rolling, Rollouts, Writers
from xds.admin.app import app
from xds.dashboard.acting import Acting
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around
from xds.model.refs import ObjectRef


async def act(
    rollouts: Rollouts, what: str, token: str = "", client: str = "127.0.0.1", **named: str
) -> tuple[int, Any]:
    mesh = MadeUpMesh()
    pages = with_dashboard(app(mesh), mesh, mesh, Around(acting=Acting(rollouts, Writers())))
    transport = httpx.ASGITransport(app=pages, client=(client, 1))
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as asking:
        answer = await asking.post(f"/dashboard/api/{what}", params=named)
    return answer.status_code, answer.json()


def named(ref: ObjectRef) -> dict[str, str]:
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


async def test_who_may_update_it_may_decide() -> None:
    rollouts = Rollouts()
    status, told = await act(rollouts, "rollouts/abort", "t-ann", **named(WEB))
    assert (status, [each["name"] for each in told], rollouts.decided) == (200, ["web"], [("abort", (WEB,))])


@pytest.mark.parametrize(
    ("token", "wanted", "status", "error"),
    [
        ("", WEB, 401, "log in with a token"),
        ("nobody", WEB, 401, "does not take this token"),
        ("t-bob", WEB, 403, "bob may not update VirtualService shop/web"),
        ("t-ann", CART, 403, "ann may not update VirtualService shop/cart"),
        ("away", WEB, 502, "the API server does not answer"),
        ("t-ann", ObjectRef("", "Service", "shop", "web"), 404, "nothing of that is held back"),
        ("x" * 20_000, WEB, 401, "log in with a token"),
    ],
)
async def test_others_may_not(token: str, wanted: ObjectRef, status: int, error: str) -> None:
    rollouts = Rollouts()
    got, told = await act(rollouts, "rollouts/promote", token, **named(wanted))
    assert (got, rollouts.decided) == (status, [])
    assert error in told["error"]


async def test_what_rolls_out_with_it_must_be_theirs_too() -> None:
    rollouts = Rollouts(standing=Rolling((WEB, CART)))
    status, told = await act(rollouts, "rollouts/promote", "t-ann", **named(WEB))
    assert (status, told["error"], rollouts.decided) == (403, "ann may not update VirtualService shop/cart", [])


async def test_a_token_that_has_come_over_a_network_in_the_clear_is_not_used() -> None:
    status, told = await act(Rollouts(), "login", "t-ann", client="10.0.0.7")
    assert (status, told["error"]) == (403, "tokens are taken over loopback only: run plait dashboard")
    assert await act(Rollouts(), "login", "t-ann") == (200, {"user": "ann"})
