"""A control plane that dies forgets what was asked for on demand; its successor is told, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.envoy.manifests import Manifest, documents
from tests.envoy.test_control_plane_killed import CLIENTS, RATE, WEB, connected, running, served
from xds.testing.pods import Pods

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
