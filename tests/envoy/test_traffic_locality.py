"""Near endpoints first: failover, shares by locality, labels, and what Services ask for themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    to,
    virtual_service,
)
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh

BROKEN = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Broken(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", 8080), Broken).serve_forever()
"""
WEB = "http://web"
ALONE = {"sidecar.istio.io/inject": "false"}


def at(locality: str, **labels: str) -> dict[str, str]:
    return {"istio-locality": locality.replace("/", "."), **labels}


def on(node: str, manifest: Manifest) -> Manifest:
    manifest["spec"]["nodeName"] = node
    return manifest


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    served = {"service": "web", **ALONE}
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        on("n1", pod("client-near", labels=at("r1/a", tier="gold"))),
        on("n2", pod("client-far", labels=at("r2/c", tier="tin"))),
        on("n2", pod("client-beside", labels=at("r1/b"))),
        on("n1", pod("w-1a", labels={**at("r1/a", tier="tin"), **served})),
        on("n2", pod("w-1b", labels={**at("r1/b", tier="gold"), **served})),
        on("n3", pod("w-2c", labels={**at("r2/c", tier="gold"), **served})),
        on("n3", pod("w-3d", labels={**at("r3/d", tier="tin"), **served})),
        service("web", selector={"service": "web"}),
        on("n1", pod("x-1a", labels={**at("r1/a"), "service": "half", **ALONE}, command=["python3", "-c", BROKEN])),
        on("n2", pod("x-2c", labels={**at("r2/c"), "service": "half", **ALONE})),
        service("half", selector={"service": "half"}),
    )


DETECTION = {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "60s"}


async def ruled(mesh: Mesh, *others: Manifest, host: str = "web", **policy: Any) -> None:
    await mesh.apply(documents(destination_rule(host, trafficPolicy=policy), *others))


async def met(mesh: Mesh, client: str = "client-near", count: int = 40) -> set[str]:
    return set(shares(await mesh.requests(client, WEB, count), "pod"))


async def test_all_alike_where_nobody_asks(mesh: Mesh) -> None:
    assert await met(mesh, count=100) == {"w-1a", "w-1b", "w-2c", "w-3d"}


async def test_outlier_detection_prefers_near_endpoints(mesh: Mesh) -> None:
    await ruled(mesh, outlierDetection=DETECTION)
    assert await met(mesh) == {"w-1a"}
    assert await met(mesh, "client-far") == {"w-2c"}
    await ruled(mesh, mesh_config(localityLbSetting={"enabled": False}), outlierDetection=DETECTION)
    assert len(await met(mesh, count=100)) == 4


async def test_other_places_take_over_when_near_ones_fail(mesh: Mesh) -> None:
    await ruled(mesh, host="half", outlierDetection=DETECTION)
    statuses = [answer.status for answer in await mesh.requests("client-near", "http://half", 50)]
    assert 503 in statuses  # the ejection takes a moment to reach all of Envoy's threads
    assert statuses[10:] == [200] * 40
    assert {answer.status for answer in await mesh.requests("client-far", "http://half", 50)} == {200}


async def test_one_region_takes_over_from_another(mesh: Mesh) -> None:
    failover = {"localityLbSetting": {"failover": [{"from": "r1", "to": "r3"}]}}
    await ruled(mesh, host="web", outlierDetection=DETECTION, loadBalancer=failover)
    assert await met(mesh) == {"w-1a"}
    # Without endpoints in the region, the one that takes over has all.
    elsewhere = {"name": "elsewhere", "labels": {"service": "web", "tier": "tin"}}
    await mesh.apply(
        documents(
            destination_rule(
                "web",
                trafficPolicy={"outlierDetection": DETECTION, "loadBalancer": failover},
                subsets=[elsewhere, {"name": "gold", "labels": {"tier": "gold"}}],
            ),
            virtual_service("web", {"route": [to("web", "gold")]}),
        )
    )
    assert await met(mesh) == {"w-1b"}


async def test_shares_by_locality(mesh: Mesh) -> None:
    distribute = [{"from": "r1/*", "to": {"r1/*": 60, "r2/c": 40}}]
    await ruled(mesh, loadBalancer={"localityLbSetting": {"distribute": distribute}})
    counted = shares(await mesh.requests("client-near", WEB, 400), "pod")
    assert set(counted) == {"w-1a", "w-1b", "w-2c"}
    assert counted["w-2c"] in likely(400, 0.4)
    assert counted["w-1a"] in likely(400, 0.3)
    others = shares(await mesh.requests("client-far", WEB, 400), "pod")  # no shares for callers there
    assert others["w-2c"] in likely(400, 0.25)
    assert len(others) == 4


async def test_labels_in_order(mesh: Mesh) -> None:
    order = {"localityLbSetting": {"failoverPriority": ["tier", "topology.istio.io/region"]}}
    await ruled(mesh, outlierDetection=DETECTION, loadBalancer=order)
    assert await met(mesh) == {"w-1b"}
    assert await met(mesh, "client-far") == {"w-1a", "w-3d"}
    order = {"localityLbSetting": {"failoverPriority": ["tier=tin", "topology.kubernetes.io/zone"]}}
    await ruled(mesh, outlierDetection=DETECTION, loadBalancer=order)
    assert await met(mesh) == {"w-1a"}


@pytest.mark.parametrize("where", ["field", "annotation"])
async def test_a_service_prefers_its_callers_zone(mesh: Mesh, where: str) -> None:
    near = service("web", selector={"service": "web"})
    if where == "field":
        near["spec"]["trafficDistribution"] = "PreferSameZone"
    else:
        near["metadata"]["annotations"] = {"networking.istio.io/traffic-distribution": "PreferClose"}
    near["metadata"]["name"] = near_name = f"near-{where}"
    await mesh.apply(documents(near))
    found = shares(await mesh.requests("client-near", f"http://{near_name}", 40), "pod")
    assert set(found) == {"w-1a"}
    assert set(shares(await mesh.requests("client-far", f"http://{near_name}", 40), "pod")) == {"w-2c"}


async def test_a_service_prefers_its_callers_node(mesh: Mesh) -> None:
    near = service("close", selector={"service": "web"}, trafficDistribution="PreferSameNode")
    own = service("own", selector={"service": "web"}, internalTrafficPolicy="Local")
    await mesh.apply(documents(near, own))
    assert set(shares(await mesh.requests("client-near", "http://close", 40), "pod")) == {"w-1a"}
    assert set(shares(await mesh.requests("client-near", "http://own", 40), "pod")) == {"w-1a"}
    assert set(shares(await mesh.requests("client-far", "http://close", 40), "pod")) == {"w-2c"}  # none on its node
    assert set(shares(await mesh.requests("client-far", "http://own", 40), "pod")) == {"w-1b"}


async def test_a_pod_that_comes_near_is_preferred(mesh: Mesh) -> None:
    await ruled(mesh, outlierDetection=DETECTION)
    assert await met(mesh, "client-far") == {"w-2c"}
    another = pod("w-2x", labels={**at("r2/c"), "service": "web", **ALONE})
    await mesh.apply(documents(another), "another.yaml")

    async def both() -> bool:
        return await met(mesh, "client-far") == {"w-2c", "w-2x"}

    await mesh.until(both, "requests to both")


async def test_zones_are_kept_as_far_as_none_is_overloaded(mesh: Mesh) -> None:
    def zones(least: int) -> dict[str, Any]:
        return {"zoneAwareLbSetting": {"minClusterSize": least}}

    await ruled(mesh, loadBalancer=zones(2))
    assert await met(mesh) == {"w-1a"}
    assert await met(mesh, "client-beside") == {"w-1b"}
    await ruled(mesh, loadBalancer=zones(3))
    assert await met(mesh) == {"w-1a", "w-1b"}
    another = pod("w-1x", labels={**at("r1/b"), "service": "web", **ALONE})
    await mesh.apply(documents(another), "another.yaml")
    counted = shares(await mesh.requests("client-near", WEB, 300), "pod")
    # A third of the endpoints serves half of the callers: a third of their requests goes elsewhere.
    assert counted["w-1a"] in likely(300, 2 / 3)
