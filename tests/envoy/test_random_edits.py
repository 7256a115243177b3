"""Random edits of several objects at once, under load: what was valid before and after costs no request.

``EDITS=1000 RATE=1000`` makes it long, ``SEED`` another one.
"""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from tests.envoy.manifests import destination_rule, documents, namespace, pod, service, subsets
from tests.envoy.random_edits import histories
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

EDITS: Final = int(os.environ.get("EDITS", "25"))
RATE: Final = float(os.environ.get("RATE", "300"))
SEED: Final = int(os.environ.get("SEED", "6"))
CLIENTS: Final = 24


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("web-v1"),
        pod("web-v2"),
        pod("catalog-v1"),
        service("web"),
        service("catalog"),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


async def test_no_request_is_lost(mesh: Mesh) -> None:
    edits = histories(Random(SEED))
    async with mesh.load("client", "http://web/", RATE, concurrency=CLIENTS) as load:
        for _ in range(EDITS):
            await mesh.apply(documents(*next(edits)), limit=timedelta(seconds=30))
    assert load.failed == []
    assert len(load.answers) > EDITS
