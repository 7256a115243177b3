"""What real sidecars do with random requests under random routes, rules and Sidecars is what ``explain`` says."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Final

import pytest

from tests.envoy.manifests import HTTP, documents, namespace, pod, service
from tests.route_cases import Asked, objects, requests
from xds.cli.manifests import manifests
from xds.explain.arrivals import Caller, forwarded
from xds.explain.path.dialled import Dialled
from xds.explain.path.steps import End, Way
from xds.explain.path.way import way
from xds.explain.request import HttpRequest
from xds.model.labels import labels
from xds.settings import Settings
from xds.testing.answers import Answer
from xds.testing.mesh import Mesh
from xds.view.graph import Graph, call

SETS: Final = 16
REQUESTS_A_SET: Final = 30
OTHER_PORT: Final = {"name": "http-other", "port": 8081, "targetPort": 8080}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("other"),
        pod("client"),
        pod("visitor", namespace="other", labels={"tier": "gold"}),
        *(pod(name) for name in ("web-v1", "web-v2", "api-v1")),
        service("web", HTTP, OTHER_PORT),
        service("api", HTTP, OTHER_PORT),
    )


def caller(name: str) -> Caller:
    where, _, plain = name.partition("/")
    own = {"app": plain, "version": "", **({"tier": "gold"} if plain == "visitor" else {})}
    return Caller(where, "default", labels=labels(own), name=plain)


def said(graph: Graph, address: str, asked: Asked) -> tuple[Way, set[str], set[str]]:
    """The way, the pods that may answer, and the paths that they may see."""
    authority = asked.host if asked.port == 80 else f"{asked.host}:{asked.port}"
    http = HttpRequest(asked.method, asked.path, authority, tuple(asked.headers.items()))
    who = caller(asked.client)
    found: Way = graph.get(call(way, who.proxy, Dialled(asked.host, asked.port, address, http)))
    comes_to = graph.get(call(forwarded, who, found.legs)) if found.end is End.FORWARDED else ()
    pods = {each.pod.ref.name for each in comes_to if each.pod is not None}
    return found, pods, {each.http.path.partition("?")[0] for each in comes_to if each.http is not None}


async def outcome(mesh: Mesh, address: str, asked: Asked) -> Answer:
    host = asked.host if asked.port == 80 else f"{asked.host}:{asked.port}"
    url = f"http://{address}:{asked.port}{asked.path}"
    return await mesh.get(asked.client, url, method=asked.method, headers={**asked.headers, "host": host})


def wrong(answer: Answer, told: tuple[Way, set[str], set[str]]) -> str:
    """How the answer is another than what was told; empty where it is that."""
    found, pods, paths = told
    if found.end is not End.FORWARDED:
        return "" if answer.status == found.status else f"got {answer.status}, not {found.status}"
    if answer.status != 200:
        return f"got {answer.status}, not 200"
    who, path = str(answer.echo["pod"]), str(answer.echo["path"])
    if who not in pods:
        return f"{who} answered, not {pods}"
    return "" if path in paths else f"{path} came, not {paths}"


async def test_random_routes(mesh: Mesh) -> None:
    counted: Counter[str] = Counter()
    addresses: dict[str, str] = {}
    for server in ("web", "api"):
        found = await mesh.local.exec(mesh.pod("client"), ["getent", "ahostsv4", f"{server}.shop"])
        addresses[server] = found.stdout.split()[0]
    for seed in range(SETS):
        random = Random(seed)
        applied = documents(*objects(random))
        await mesh.apply(applied)
        graph = Graph(manifests([mesh.folder], Settings()).snapshot)
        asked = list(requests(random, REQUESTS_A_SET))
        told = [said(graph, addresses[each.server], each) for each in asked]
        kept = [(each, one) for each, one in zip(asked, told, strict=True) if one[0].end is not End.LEAVES]
        got = await asyncio.gather(*(outcome(mesh, addresses[each.server], each) for each, _ in kept))
        faults = []
        for (each, one), answer in zip(kept, got, strict=True):
            counted[f"{one[0].end.value} {one[0].status or 200}"] += 1
            if why := wrong(answer, one):
                faults.append(f"seed {seed}: {why}: {each}\n  {one[0]}")
        assert not faults, "\n".join([*faults, applied])
    assert counted.keys() >= {"forwarded 200", "answered 301", "answered 418", "fails 404", "fails 503"}, counted
    print(counted)
