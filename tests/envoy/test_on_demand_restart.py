"""A control plane that dies forgets what was asked for on demand; its successor is told, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.envoy.manifests import Manifest, documents
from tests.envoy.test_control_plane_killed import (
    CLIENT,
    CLIENTS,
    RATE,
    SERVER,
    WEB,
    connected,
    manifests,
    running,
    served,
    spec,
)
from xds.local.pods import PodKey
from xds.testing.pods import Pods

NEXT = PodKey("shop", "client-next")  # of the same workload as the client

EVERYWHERE: Manifest = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "istio-system", "labels": {"plait.dev/outbound": "on-demand"}},
}


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    (tmp_path / "everywhere.yaml").write_text(documents(EVERYWHERE))
    async with running(tmp_path) as found:
        yield found


async def test_killed_under_load(pods: Pods, tmp_path: Path) -> None:
    async with served(pods.local, tmp_path) as first:
        await pods.local.until_ready(timedelta(seconds=30))
        await pods.local.services_loaded()
        await connected(pods, 2)
        assert not await pods.stats("client", r"cluster\.outbound")
        assert (await pods.get("client", WEB)).pod == "web-v1"
        assert await pods.stats("client", r"cluster\.outbound.*upstream_cx_total")
        async with pods.load("client", WEB, RATE, concurrency=CLIENTS) as load:
            first.kill()
            await first.wait()
            await connected(pods, 0)
            async with served(pods.local, tmp_path):
                await connected(pods, 2)
                await asyncio.sleep(3)  # longer than removals wait for
    assert load.failed == []
    assert load.connections == CLIENTS


async def held(pods: Pods) -> list[tuple[str, str]]:
    """Clusters and virtual hosts of the proxy that has asked for none, and when each was taken in."""
    dump = await pods.config_dump("client-next")
    found: list[tuple[str, str]] = []
    for part in dump["configs"]:
        found += [(each["cluster"]["name"], each["last_updated"]) for each in part.get("dynamic_active_clusters", ())]
        for table in part.get("dynamic_route_configs", ()):
            hosts = table["route_config"].get("virtual_hosts", ())
            found += [(each["name"], "") for each in hosts]
    return sorted(found)


async def test_what_was_only_sent_beforehand_outlives_the_control_plane(pods: Pods, tmp_path: Path) -> None:
    async with served(pods.local, tmp_path) as first:
        await pods.local.until_ready(timedelta(seconds=30))
        await pods.local.services_loaded()
        await connected(pods, 2)
        assert (await pods.get("client", WEB)).pod == "web-v1"
        await pods.local.apply(map(spec, (CLIENT, SERVER, NEXT)))
        await pods.local.until_ready(timedelta(seconds=30))
        (tmp_path / "cluster.yaml").write_text(manifests(pods.local, of=(SERVER, NEXT)))
        await pods.local.apply(map(spec, (SERVER, NEXT)))  # who has asked is no more
        left = (SERVER, NEXT)
        await connected(pods, 2, left)
        before = await held(pods)
        assert {name for name, _ in before} >= {"80/10.96.0.80"}
        first.kill()
        await first.wait()
        await connected(pods, 0, left)
        async with served(pods.local, tmp_path) as second:
            await connected(pods, 2, left)
            await asyncio.sleep(4)  # longer than removals wait for
            assert await held(pods) == before
            async with pods.load("client-next", WEB, RATE, concurrency=CLIENTS) as load:
                second.kill()
                await second.wait()
                await connected(pods, 0, left)
                async with served(pods.local, tmp_path):
                    await connected(pods, 2, left)
                    await asyncio.sleep(4)  # longer than removals wait for
    assert load.failed == []
    assert load.connections == CLIENTS
