"""Random edits of several objects at once, under load: what was valid before and after costs no request.

``EDITS=1000 RATE=1000`` makes it long, ``SEED`` another one. ``RATE`` is that of all clients together.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from tests.envoy.manifests import Manifest, documents
from tests.envoy.random_edits import MACHINE, SITE, histories, mesh_itself
from xds.testing.mesh import Mesh
from xds.testing.pods import Load

EDITS: Final = int(os.environ.get("EDITS", "25"))
RATE: Final = float(os.environ.get("RATE", "300"))
SEED: Final = int(os.environ.get("SEED", "6"))
CLIENTS: Final = 8
LIMIT: Final = timedelta(seconds=30)

pytestmark = [pytest.mark.envoy, pytest.mark.netns, pytest.mark.timeout(120 + 2 * EDITS)]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(*mesh_itself())


async def test_no_request_is_lost(mesh: Mesh) -> None:
    edits = histories(Random(SEED))
    await edited(mesh, next(edits))
    outside = {"host": SITE}
    asked = {
        "web": ("client", "http://web/", {}),
        "catalog": ("client", "http://catalog/", {}),
        "edge": ("outside/browser", f"http://{mesh.ip('edge')}:8080/x", outside),
        "api": ("outside/browser", f"http://{mesh.ip('shop/api')}:8080/x", outside),
    }
    loads: dict[str, Load] = {}
    start = time.monotonic()
    async with AsyncExitStack() as running:
        for name, (client, url, headers) in asked.items():
            making = mesh.load(client, url, RATE / len(asked), concurrency=CLIENTS, headers=headers)
            loads[name] = await running.enter_async_context(making)
        for number in range(EDITS):
            there, so_far = next(edits), sum(len(load.failed) for load in loads.values())
            await edited(mesh, there)
            if sum(len(load.failed) for load in loads.values()) > so_far:
                print(f"lost at edit {number}, which leaves {json.dumps(there)}")
        took_s = time.monotonic() - start
    for name, load in loads.items():
        print(f"{name}: {len(load.answers)} requests, {len(load.answers) / took_s:.0f} a second")
    print(f"{EDITS} edits in {took_s:.1f} s, seed {SEED}")
    assert [lost for name, load in loads.items() if (lost := told(name, load))] == []
    assert all(len(load.answers) > EDITS / 4 for load in loads.values())


async def edited(mesh: Mesh, there: list[Manifest]) -> None:
    await mesh.apply(documents(*there).replace(MACHINE, mesh.ip("machine")), limit=LIMIT)


def told(name: str, load: Load) -> str:
    """How many requests were lost, and what was said of them; empty when none was."""
    kinds = Counter(
        f"{lost.status} {lost.error or lost.body[:200]} {lost.headers.get('date', '')}" for lost in load.failed
    )
    return f"{name}: {dict(kinds)}" if kinds else ""
