"""RateLimits at real sidecars: who is refused when, what the answers tell, who counts, and what an edit costs."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.manifests import Manifest, documents, namespace, pod, service
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

WEB = "http://web"
SERVICE = [sys.executable, str(Path(__file__).with_name("rate_limit_service.py")), "8081"]
GRPC = {"name": "grpc", "port": 8081, "targetPort": 8081}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client", account="client"),
        pod("other", account="other"),
        pod("web-v1"),
        pod("pair-v1"),
        pod("pair-v2"),
        pod("counting", ports="grpc:8081", command=SERVICE),
        service("web"),
        service("pair"),
        service("counting", GRPC),
    )


def limit(*limits: Manifest, app: str = "web", **spec: Any) -> Manifest:
    metadata = {"name": "limit", "namespace": "shop"}
    selector = {"matchLabels": {"app": app}}
    return {
        "apiVersion": "networking.plait.dev/v1alpha1",
        "kind": "RateLimit",
        "metadata": metadata,
        "spec": {"selector": selector, "limits": list(limits), **spec},
    }


async def statuses(mesh: Mesh, count: int, url: str = WEB, *, frm: str = "client", **how: Any) -> Counter[int]:
    """How many requests had which status."""
    return Counter(answer.status for answer in await mesh.requests(frm, url, count, concurrency=1, **how))


async def test_all_beyond_the_limit_are_refused_and_told_when_to_come_back(mesh: Mesh) -> None:
    await mesh.apply(documents(limit({"name": "all", "requests": 5, "period": "1h"})))
    answers = await mesh.requests("client", WEB, 8, concurrency=1)
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:5]] == ["4", "3", "2", "1", "0"]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_each_user_and_each_path_has_a_count_of_its_own(mesh: Mesh) -> None:
    exact = {"uri": {"exact": "/api"}}
    each = {"name": "user", "match": [exact], "by": [{"header": "x-user"}], "requests": 2, "period": "1h"}
    await mesh.apply(documents(limit(each)))
    for user in ("ann", "bob"):
        assert await statuses(mesh, 3, f"{WEB}/api?q=1", headers={"x-user": user}) == {200: 2, 429: 1}
    assert await statuses(mesh, 4, f"{WEB}/api") == {200: 4}  # says no user
    assert await statuses(mesh, 4, f"{WEB}/apis", headers={"x-user": "ann"}) == {200: 4}


async def test_alternatives_are_one_count(mesh: Mesh) -> None:
    either = [{"uri": {"prefix": "/a"}}, {"headers": {"x-b": {}}}]
    await mesh.apply(documents(limit({"name": "either", "match": either, "requests": 3, "period": "1h"})))
    assert await statuses(mesh, 1, f"{WEB}/a", headers={"x-b": "1"}) == {200: 1}  # both, and counted once
    assert await statuses(mesh, 1, f"{WEB}/a") == {200: 1}
    assert await statuses(mesh, 2, f"{WEB}/b", headers={"x-b": "1"}) == {200: 1, 429: 1}
    assert await statuses(mesh, 2, f"{WEB}/b") == {200: 2}


async def test_each_identity_has_a_count_of_its_own(mesh: Mesh) -> None:
    each = {"name": "caller", "by": [{"caller": "identity"}], "requests": 2, "period": "1h"}
    await mesh.apply(documents(limit(each)))
    for caller in ("client", "other"):
        assert await statuses(mesh, 3, frm=caller) == {200: 2, 429: 1}


async def test_a_dry_run_refuses_nobody(mesh: Mesh) -> None:
    await mesh.apply(documents(limit({"name": "all", "requests": 1, "period": "1h", "dryRun": True})))
    assert await statuses(mesh, 5) == {200: 5}


async def test_what_the_fleet_shares_is_cut_in_parts(mesh: Mesh) -> None:
    shared = limit({"name": "all", "requests": 20, "period": "1h"}, app="pair", share="FLEET")
    await mesh.apply(documents(shared))
    assert await statuses(mesh, 100, "http://pair") == {200: 20, 429: 80}


async def test_a_service_counts(mesh: Mesh) -> None:
    by_service = {"host": "counting", "port": 8081, "domain": "shop", "timeout": "5s"}
    await mesh.apply(documents(limit({"name": "user", "by": [{"header": "x-user"}]}, service=by_service)))
    for user in ("cid", "dan"):
        assert await statuses(mesh, 4, headers={"x-user": user}) == {200: 2, 429: 2}
    assert await statuses(mesh, 4) == {200: 4}


async def test_a_service_that_is_not_there_lets_all_pass_unless_told_otherwise(mesh: Mesh) -> None:
    gone = {"host": "nobody", "port": 8081, "domain": "shop"}
    await mesh.apply(documents(limit({"name": "all"}, service=gone)))
    assert await statuses(mesh, 3) == {200: 3}
    await mesh.apply(documents(limit({"name": "all"}, service={**gone, "failClosed": True})))
    assert await statuses(mesh, 3) == {500: 3}


async def test_an_edit_keeps_connections(mesh: Mesh) -> None:
    await mesh.apply(documents(limit({"name": "all", "requests": 1000})))
    assert await statuses(mesh, 20) == {200: 20}
    await mesh.apply(documents(limit({"name": "all", "requests": 2, "period": "1h"})))
    assert await statuses(mesh, 3) == {200: 2, 429: 1}
    await mesh.delete()
    assert await statuses(mesh, 20) == {200: 20}
