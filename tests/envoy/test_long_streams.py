"""Websockets, gRPC streams and TCP connections stay open through an edit of every field that may be edited."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.envoy.manifests import documents, namespace, pod, service
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

HOLDER: Final = str(Path(__file__).with_name("stream_holder.py"))
EVERY_FIELD: Final = Path(__file__).parents[1] / "unit" / "tools" / "every_field"
COUNT: Final = int(os.environ.get("STREAMS", "10"))  # of each kind
KINDS: Final = ("websocket", "grpc", "tcp")
# What changes who may connect, and may cut those who may not.
GUARDS: Final = frozenset({"PeerAuthentication", "AuthorizationPolicy"})


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    ports = [("http", 80, 8080), ("grpc", 7070, 7070), ("tcp", 9000, 9000)]
    return documents(
        namespace("shop"),
        pod("asking"),
        pod("client", command=[sys.executable, HOLDER, str(COUNT), "web"]),
        pod("web-v1", ports="http:8080 grpc:7070 tcp:9000"),
        pod("web-v2", ports="http:8080 grpc:7070 tcp:9000"),
        pod("catalog-v1"),
        service("web", *({"name": name, "port": port, "targetPort": target} for name, port, target in ports)),
        service("catalog"),
    )


def edits() -> list[Any]:
    """The cases of every_field/: each has every field of a kind."""
    found = []
    for path in sorted(EVERY_FIELD.glob("*.yaml")):
        cases = [] if path.stem == "world" else list(yaml.safe_load_all(path.read_text()))
        found += [pytest.param(case["given"], id=f"{path.stem}-{index}") for index, case in enumerate(cases)]
    return found


async def alive(mesh: Mesh) -> dict[str, int]:
    answer = await mesh.get("asking", f"http://{mesh.local.statuses[mesh.pod('client')].ip}:8080/round", timeout_s=60)
    told = json.loads(answer.body)
    assert told["problems"] == []
    return dict(told["alive"])


async def replaced(mesh: Mesh) -> dict[str, int]:
    """How often listeners of the two sides were changed since they began."""
    wanted = r"listener_manager\.(listener_modified|listener_in_place_updated|listener_removed)$"
    return {
        f"{pod} {name}": n
        for pod in ("client", "web-v1", "web-v2")
        for name, n in (await mesh.stats(pod, wanted)).items()
    }


@pytest.mark.parametrize("given", edits())
async def test_streams_stay_open(mesh: Mesh, given: list[dict[str, Any]]) -> None:
    everything = dict.fromkeys(KINDS, COUNT)
    assert await alive(mesh) == everything
    before = await replaced(mesh)
    safe = [plain for plain in given if plain["kind"] not in GUARDS | {"Pod", "Service", "EndpointSlice"}]
    await mesh.apply(documents(*safe))
    assert await alive(mesh) == everything
    assert await replaced(mesh) == before
    await mesh.delete()
    assert await alive(mesh) == everything
