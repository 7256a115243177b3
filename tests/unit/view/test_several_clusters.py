"""Services of several clusters: what is one service, whose pods are joined with what, and what a remote cannot take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.endpoint import Endpoint, EndpointKey
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.service import ServiceKey
from xds.view.cluster_sets import cluster_local
from xds.view.endpoints import endpoints
from xds.view.graph import Graph, call
from xds.view.ports_reached import port_shapes
from xds.view.proxy_view import proxy_view
from xds.view.scope import best_service, visible_services

SERVICE = """
{{apiVersion: v1, kind: Service, metadata: {{name: {0}, namespace: shop}},
 spec: {{clusterIP: {1}, selector: {{app: web}}, ports: [{{name: {2}, port: 80, targetPort: 8080}}]}}}}
---
"""
SLICE = """
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{{name: http, port: 8080}}],
 metadata: {{name: web-1, namespace: {1}, labels: {{kubernetes.io/service-name: web}}}},
 endpoints: [{{addresses: [{0}]}}]}}
---
"""
POD = """
{{apiVersion: v1, kind: Pod, metadata: {{name: web, namespace: shop, labels: {{app: web, of: {1},
 security.istio.io/tlsMode: istio}}}},
 spec: {{serviceAccountName: {1}, nodeName: n1, containers: []}}, status: {{phase: Running, podIP: {0}}}}}
---
"""
NODE = """
{{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{topology.kubernetes.io/zone: zone-{0}}}}}}}
---
"""
MESH = """
{{apiVersion: mesh.istio.io/v1alpha1, kind: MeshConfig, metadata: {{name: istio, namespace: istio-system}},
 spec: {{serviceSettings: [{0}]}}}}
---
"""
HIJACK = """
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: evil, namespace: evil},
 spec: {hosts: [web.shop.svc.cluster.local], resolution: STATIC, endpoints: [{address: 10.6.6.6}],
 ports: [{number: 80, name: http, protocol: HTTP}]}}
---
"""
HOST = "web.shop.svc.cluster.local"
KEY = EndpointKey(HOST, "shop", 80)


def of(cluster: str, text: str) -> list[Object[Any]]:
    """The objects of manifests, as a cluster has them."""
    return [replace(each, ref=replace(each.ref, cluster=cluster)) for each in written(text)]


def graph(*clusters: Iterable[Object[Any]]) -> Graph:
    return Graph(applied(Builder(cluster="east"), [each for found in clusters for each in found]).snapshot)


def found(seen: Graph, key: EndpointKey = KEY) -> tuple[Endpoint, ...]:
    listed: tuple[Endpoint, ...] = seen.get(call(endpoints, key))
    return listed


def whole(name: str, address: str, virtual: str) -> str:
    return SERVICE.format("web", virtual, "http") + SLICE.format(address, "shop") + POD.format(address, name)


OWN = of("", whole("east", "10.1.0.1", "10.96.0.1") + NODE.format("east"))
REMOTE = of("west", whole("west", "10.2.0.1", "10.96.0.2") + NODE.format("west"))


def test_endpoints_of_all_clusters_serve_one_service() -> None:
    own, remote = found(graph(OWN, REMOTE))
    assert (own.address, own.account, own.locality.zone) == ("10.1.0.1", "ns/shop/sa/east", "zone-east")
    assert (remote.address, remote.account, remote.locality.zone) == ("10.2.0.1", "ns/shop/sa/west", "zone-west")
    assert ("topology.istio.io/cluster", "east") in own.labels
    assert ("topology.istio.io/cluster", "west") in remote.labels
    assert (own.tls, remote.tls) == (True, True)


def test_a_pod_is_that_of_its_own_cluster() -> None:
    """On separate networks two pods may have one address."""
    north = of("north", SERVICE.format("web", "10.96.0.2", "http") + SLICE.format("10.2.0.1", "shop"))
    seen = graph(OWN, north, of("west", POD.format("10.2.0.1", "west")))
    assert [each.account for each in found(seen)] == ["ns/shop/sa/east", ""]


def test_the_own_service_counts_and_no_address_of_another_cluster_is_listened_to() -> None:
    views = []
    for clusters in ((OWN,), (OWN, REMOTE)):
        seen = graph(*clusters)
        assert seen.get(call(best_service, HOST, "shop")).addresses == ("10.96.0.1",)
        views.append(seen.get(call(proxy_view, Proxy("p", namespace="shop", name="p"))))
    assert views[0] == views[1], "but for endpoints, which are made apart"


def test_a_service_that_only_a_remote_has_is_known() -> None:
    seen = graph(REMOTE)
    assert seen.get(call(visible_services, "shop")) == (ServiceKey(HOST, "shop"),)
    assert [each.address for each in found(seen)] == ["10.2.0.1"]
    assert len(seen.get(call(port_shapes, ServiceKey(HOST, "shop")))) == 1


@pytest.mark.parametrize("name", ["tcp", "guess"])
def test_what_is_no_http_takes_no_connections_of_others(name: str) -> None:
    """It has no address here: it would take all connections to its port, wherever they go."""
    seen = graph(of("west", SERVICE.format("web", "10.96.0.2", name)))
    assert seen.get(call(port_shapes, ServiceKey(HOST, "shop"))) == ()


def test_who_may_write_a_service_entry_takes_no_service_of_a_remote() -> None:
    assert graph(REMOTE, of("", HIJACK)).get(call(best_service, HOST, "evil")).namespace == "evil", "in its own view"
    assert graph(REMOTE, of("", HIJACK)).get(call(best_service, HOST, "other")).namespace == "shop"


@pytest.mark.parametrize(
    ("stated", "local"),
    [
        ("", False),
        ("{hosts: [web.shop.svc.cluster.local], settings: {clusterLocal: true}}", True),
        ("{hosts: ['*.shop.svc.cluster.local'], settings: {clusterLocal: true}}", True),
        ("{hosts: ['*'], settings: {clusterLocal: true}}", True),
        (
            "{hosts: ['*'], settings: {clusterLocal: true}}, {hosts: ['*.local'], settings: {clusterLocal: false}}",
            False,
        ),
    ],
)
def test_services_may_be_kept_to_their_clusters(stated: str, local: bool) -> None:
    seen = graph(OWN, REMOTE, of("", MESH.format(stated)))
    assert [each.address for each in found(seen)] == ["10.1.0.1", *([] if local else ["10.2.0.1"])]


def test_what_each_cluster_has_of_its_own_is_kept_to_it() -> None:
    hosts = ("kubernetes.default", "kube-dns.kube-system", "istiod.istio-system", "kubernetes.shop")
    kept = [graph().get(call(cluster_local, f"{host}.svc.cluster.local")) for host in hosts]
    assert kept == [True, True, True, False]
    stated = "{hosts: ['kube-dns.kube-system.svc.cluster.local'], settings: {clusterLocal: false}}"
    seen = graph(of("", MESH.format(stated)))
    assert not seen.get(call(cluster_local, "kube-dns.kube-system.svc.cluster.local"))


def test_a_name_says_its_cluster() -> None:
    assert str(REMOTE[0].ref) == "Service shop/web of cluster west"
    assert str(OWN[0].ref) == "Service shop/web"
