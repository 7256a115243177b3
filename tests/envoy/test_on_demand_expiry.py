"""What a sidecar was given on demand and does not use is taken from it, and comes back when it is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.envoy.manifests import Manifest, documents, namespace, pod, service
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh, running_mesh

EXPIRY = timedelta(seconds=3)
LAZY = {"plait.dev/outbound": "on-demand"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    folder: Path = tmp_path_factory.mktemp("mesh")
    client = pod("client", labels=LAZY)
    objects: list[Manifest] = [namespace("shop"), namespace("istio-system", inject=False), client]
    objects += [*(pod(f"{name}-v1") for name in ("web", "stock")), *(service(name) for name in ("web", "stock"))]
    async with running_mesh(documents(*objects), folder, settings=LocalSettings(on_demand_expiry=EXPIRY)) as running:
        yield running


async def held(mesh: Mesh, of: str) -> tuple[set[str], set[str]]:
    """The services whose clusters a pod's proxy holds, and its virtual hosts."""
    dump = await mesh.config_dump(of)
    names: set[str] = set()
    hosts: set[str] = set()
    for part in dump["configs"]:
        found: list[dict[str, Any]] = part.get("dynamic_active_clusters", [])
        names |= {each["cluster"]["name"] for each in found}
        for table in part.get("dynamic_route_configs", []):
            hosts |= {each["name"] for each in table["route_config"].get("virtual_hosts", [])}
    return {each.split("|")[3].partition(".")[0] for each in names if each.startswith("outbound|")}, hosts


async def test_what_is_not_used_goes_and_comes_back(mesh: Mesh) -> None:
    for host in ("web", "web.shop", "stock"):
        assert (await mesh.get("client", f"http://{host}/")).status == 200
    assert await held(mesh, "client") == ({"web", "stock"}, {"80/web", "80/web.shop", "80/stock"})
    async with mesh.load("client", "http://stock/", 50.0, concurrency=2) as load:
        for _ in range(2):

            async def expired() -> bool:
                return await held(mesh, "client") == ({"stock"}, {"80/stock"})

            await mesh.until(expired, "what is not used has expired", timedelta(seconds=20))
            for host in ("web", "web.shop", "web"):
                answer = await mesh.get("client", f"http://{host}/")
                assert (answer.status, answer.pod) == (200, "web-v1")
                assert answer.elapsed < timedelta(seconds=1)
    assert load.failed == []


async def test_what_nobody_counts_stays(mesh: Mesh) -> None:
    async def expired() -> bool:
        return await held(mesh, "client") == (set(), {"80/who.example.com"})

    headers = {"Host": "who.example.com"}
    assert (await mesh.get("client", "http://web/", headers=headers)).pod == "web-v1"  # let through
    assert (await mesh.get("client", "http://web/")).status == 200
    await mesh.until(expired, "what is not used has expired", timedelta(seconds=20))
