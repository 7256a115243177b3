"""Real Envoys for tests: on loopback, fed by a control plane of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.loopback import LoopbackEnvoy, launch
from xds.local.sidecar import installed_envoy

Launch = Callable[..., Awaitable[LoopbackEnvoy]]


@pytest.fixture
def envoy_binary() -> Path:
    """The Envoy that is installed; the test is skipped without."""
    found = installed_envoy()
    if found is None:
        pytest.skip("no Envoy is installed")
    return Path(found)


@pytest.fixture
async def launch_envoy(envoy_binary: Path, tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts an Envoy from a bootstrap (and flags); all are stopped, and waited for, when the test ends."""
    started: list[LoopbackEnvoy] = []

    async def start(config: dict[str, Any], *flags: str) -> LoopbackEnvoy:
        envoy = await launch(envoy_binary, tmp_path / f"envoy{len(started)}", config, *flags)
        started.append(envoy)
        return envoy

    yield start
    for envoy in started:
        await envoy.stop()
