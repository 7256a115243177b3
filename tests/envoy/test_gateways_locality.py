"""Routers as callers: near endpoints first, and those of their own node where a service says so."""

from __future__ import annotations

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    gateway,
    namespace,
    pod,
    router,
    server,
    service,
    to,
    virtual_service,
)
from xds.testing.answers import shares
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
SERVED = {"service": "web", "sidecar.istio.io/inject": "false"}


def on(node: str, manifest: Manifest) -> Manifest:
    """The pod, on a node; its locality is the region ``r`` and a zone named as the node."""
    manifest["spec"]["nodeName"] = node
    manifest["metadata"]["labels"]["istio-locality"] = f"r.{node}"
    return manifest


def door(name: str, node: str) -> list[Manifest]:
    """A router of the workload ``doors``."""
    made, *others = router(name, "ingress", labels={"istio": "door", "app": "doors"})
    return [on(node, made), *others]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        *door("near", "n1"),
        *door("far", "n2"),
        on("n1", pod("w-1", labels=SERVED)),
        on("n2", pod("w-2", labels=SERVED)),
        on("n3", pod("w-3", labels=SERVED)),
        gateway("front", server(80, "HTTP", "*"), router="door"),
        virtual_service("*", {"route": [to("web")]}, name="site", gateways=["front"]),
    )


async def met(mesh: Mesh, name: str) -> set[str]:
    """The pods that answer requests to a router."""
    url = f"http://{mesh.ip(f'ingress/{name}')}/"
    return set(shares(await mesh.requests(OUTSIDE, url, 40), "pod"))


async def test_all_alike_where_nobody_asks(mesh: Mesh) -> None:
    await mesh.apply(documents(service("web", selector={"service": "web"})))
    assert await met(mesh, "near") == {"w-1", "w-2", "w-3"}


@pytest.mark.parametrize("asked", [{"internalTrafficPolicy": "Local"}, {"trafficDistribution": "PreferSameNode"}])
async def test_endpoints_of_the_routers_node(mesh: Mesh, asked: dict[str, str]) -> None:
    await mesh.apply(documents(service("web", selector={"service": "web"}, **asked)))
    assert await met(mesh, "near") == {"w-1"}
    assert await met(mesh, "far") == {"w-2"}
    await mesh.apply(documents(service("web", selector={"service": "web"})))
    assert await met(mesh, "near") == {"w-1", "w-2", "w-3"}


async def test_zones_are_kept_as_far_as_none_is_overloaded(mesh: Mesh) -> None:
    zones = {"loadBalancer": {"zoneAwareLbSetting": {"minClusterSize": 2}}}
    pair = service("web", selector={"service": "web"})
    await mesh.apply(documents(pair, destination_rule("web", trafficPolicy=zones)))
    # Half of the routers, and a third of the endpoints: a third of each router's requests goes to the third zone.
    assert await met(mesh, "near") == {"w-1", "w-3"}
    assert await met(mesh, "far") == {"w-2", "w-3"}
