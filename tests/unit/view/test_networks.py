"""Networks: who is in which, and as whom endpoints of another one are called."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.envoy.gateway_api import gateway_class, listener, made
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    gateway,
    mesh_config,
    server,
    service,
    to,
    virtual_service,
)
from tests.objects import applied
from xds.decoders.build import Builder
from xds.decoders.shape.documents import split
from xds.decoders.shape.manifests import read_document
from xds.explain.analyze import findings
from xds.model.endpoint import Health, Locality
from xds.model.gateway_api import GATEWAY_NAME
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.network import GATEWAY_PORT, NETWORK, GatewayName
from xds.model.object import Object
from xds.model.on_demand import LABEL, ON_DEMAND
from xds.model.proxy import Proxy
from xds.model.snapshot import Input, Snapshot, Table
from xds.view.gateway.routers import router
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.clusters import ClusterSpec, EndpointGroup
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.routes import VirtualHostSpec
from xds.view.wanted_names import gateway_names

Shown = dict[str, list[tuple[str, int]]]

MTLS = {"security.istio.io/tlsMode": "istio"}
WEB = "outbound|80||web.shop.svc.cluster.local"
DOOR = "192.0.2.1:15443"


def proxy(network: str = "", **more: Any) -> Proxy:
    given: dict[str, Any] = {"namespace": "shop", "name": "client", "identity": Identity.ADS, **more}
    return Proxy("client", network=network, **given)


def cluster(network: str) -> Manifest:
    """The root namespace, which says the network of all of the cluster."""
    metadata = {"name": "istio-system", "labels": {NETWORK: network}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def entry(name: str, address: str, network: str = "", **more: Any) -> Manifest:
    own = {"app": "web", **more.pop("labels", MTLS)}
    spec = {"address": address, "labels": own, "ports": {"http": 8080}, **more}
    spec |= {"network": network} if network else {}
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": metadata, "spec": spec}


def pod(name: str, *addresses: str) -> Manifest:
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "web", **MTLS}}
    status = {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}, "status": status}


def slice_of(family: str, *addresses: str) -> Manifest:
    marks = {"kubernetes.io/service-name": "web"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"web-{family.lower()}", "namespace": "shop", "labels": marks},
        "addressType": family,
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [each]} for each in addresses],
    }


def leading(network: str, *addresses: str, name: str = "east-west", kind: str = "ClusterIP", **marks: str) -> Manifest:
    """The Service of a gateway that leads into a network."""
    spec = {"externalIPs": list(addresses), "type": kind}
    found = service(name, {"name": "tls", "port": 15443}, namespace="istio-system", **spec)
    found["metadata"]["labels"] = {NETWORK: network, **marks}
    return found


def read_all(*manifests: Manifest) -> list[Object[Any]]:
    read = [read_document(each) for each in split(documents(*manifests), "test.yaml")]
    assert not [problem for each in read for problem in each.problems]
    return [found for each in read for found in each.objects]


def snapshot(*manifests: Manifest) -> Snapshot:
    builder = Builder()
    change = applied(builder, read_all(*manifests))
    assert not builder.problems
    return change.snapshot


def shown(mesh: Snapshot, to: Proxy) -> Shown:
    """The endpoints that a proxy is sent, as pairs of address and weight, by cluster; unready ones with a ``!``."""
    return {
        spec.name: [
            (f"{'' if each.health is Health.HEALTHY else '!'}{each.address}:{each.port}", each.weight)
            for group in spec.localities
            for each in group.endpoints
        ]
        for spec in specs(mesh, to)
        if isinstance(spec, EndpointGroup)
    }


def specs(mesh: Snapshot, to: Proxy) -> list[Any]:
    graph = Graph(mesh)
    roots: Any = graph.get(call(proxy_view, to))
    return [
        spec for root in roots for group in graph.get(root) for leaf in graph.get(group) for spec in graph.get(leaf)
    ]


def codes(mesh: Snapshot) -> set[str]:
    found: Any = Graph(mesh).get(call(findings))
    return {problem.code for problem in found}


TWO = (
    service("web"),
    entry("near", "10.0.0.1", "west"),
    entry("far-1", "10.0.0.1", "east", weight=2),
    entry("far-2", "10.0.0.2", "east"),
    leading("east", "192.0.2.1"),
)


def test_endpoints_of_another_network_are_called_by_its_gateway_with_their_weight() -> None:
    mesh = snapshot(*TWO)
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 3)]
    assert shown(mesh, proxy("east"))[WEB] == [("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]


def test_without_a_gateway_all_are_called_directly() -> None:
    assert shown(snapshot(*TWO[:-1]), proxy("west"))[WEB] == [("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]


def test_who_has_no_network_calls_all_directly() -> None:
    assert shown(snapshot(*TWO), proxy())[WEB] == [("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]


def test_several_gateways_share_what_is_behind_them() -> None:
    mesh = snapshot(*TWO[:-1], leading("east", "192.0.2.1", "192.0.2.2"))
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 2), (DOOR, 3), ("192.0.2.2:15443", 3)]


def test_a_gateway_says_its_port() -> None:
    mesh = snapshot(*TWO[:-1], leading("east", "192.0.2.1", **{GATEWAY_PORT: "443"}))
    assert shown(mesh, proxy("west"))[WEB][1] == ("192.0.2.1:443", 3)


def test_a_gateway_is_where_its_load_balancer_is() -> None:
    found = leading("east")
    found["spec"]["type"] = "LoadBalancer"
    found["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    assert shown(snapshot(*TWO[:-1], found), proxy("west"))[WEB][1] == (DOOR, 3)


@pytest.mark.parametrize("found", [leading("east"), leading("east", kind="LoadBalancer")], ids=["none", "none-yet"])
def test_a_network_whose_gateways_have_no_address_is_not_called(found: Manifest) -> None:
    """Neither are its endpoints, as somebody has said that they are not to be reached directly."""
    mesh = snapshot(*TWO[:-1], found)
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1)]
    assert "network.gateway-address" in codes(mesh)


def test_what_takes_no_mutual_tls_is_left_out() -> None:
    mesh = snapshot(*TWO, entry("open", "10.0.0.3", "east", labels={"version": "open"}))
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 3)]
    assert ("10.0.0.3:8080", 1) in shown(mesh, proxy("east"))[WEB]
    assert codes(mesh) == {"network.not-passed"}


def test_who_cannot_show_who_it_is_goes_to_no_gateway() -> None:
    assert shown(snapshot(*TWO), proxy("west", identity=Identity.NONE))[WEB] == [("10.0.0.1:8080", 1)]


@pytest.mark.parametrize("mode", ["DISABLE", "SIMPLE"])
def test_who_speaks_something_else_goes_to_no_gateway(mode: str) -> None:
    rule = destination_rule("web", trafficPolicy={"tls": {"mode": mode}})
    assert shown(snapshot(*TWO, rule), proxy("west"))[WEB] == [("10.0.0.1:8080", 1)]


def test_subsets_count_what_is_theirs() -> None:
    marked = {**MTLS, "version": "v2"}
    rule = destination_rule("web", subsets=[{"name": "v2", "labels": {"version": "v2"}}])
    mesh = snapshot(*TWO, entry("v2", "10.0.0.9", "east", labels=marked), rule)
    found = shown(mesh, proxy("west"))
    assert found[WEB.replace("||", "|v2|")] == [(DOOR, 1)]
    assert found[WEB] == [("10.0.0.1:8080", 1), (DOOR, 4)]


def test_servers_behind_a_gateway_are_who_they_are() -> None:
    mesh = snapshot(*TWO, entry("named", "10.0.0.9", "east", serviceAccount="far"))
    (cluster_spec,) = (
        each for each in specs(mesh, proxy("west")) if isinstance(each, ClusterSpec) and each.name == WEB
    )
    assert cluster_spec.mesh_tls is not None
    assert cluster_spec.mesh_tls.names == ("spiffe://cluster.local/ns/shop/sa/far",)
    assert cluster_spec.mesh_tls.sni == "outbound_.80_._.web.shop.svc.cluster.local"


def test_one_without_an_address_is_reached_by_its_gateway_alone() -> None:
    mesh = snapshot(*TWO, entry("hidden", "", "east"))
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 4)]
    assert shown(mesh, proxy("east"))[WEB] == [("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]
    assert len(shown(mesh, proxy())[WEB]) == 2


def test_pods_of_two_families_count_once_and_nobody_else_is_taken_for_one() -> None:
    """Neither who has no address of its own, nor a pod elsewhere whose other address is one of here."""
    here = (pod("web-1", "10.0.0.1", "fd00::1"), slice_of("IPv4", "10.0.0.1"), slice_of("IPv6", "fd00::1"))
    mesh = read_all(service("web"), cluster("west"), *here, entry("hidden", "", "east"), leading("east", "192.0.2.1"))
    there = (service("web"), cluster("east"), pod("web-1", "10.0.0.1", "fd00::2"), slice_of("IPv6", "fd00::2"))
    assert shown(applied(Builder(), mesh).snapshot, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 1)]
    both = applied(Builder(), [*mesh, *map(remote, there)]).snapshot
    assert shown(both, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 2)]


# -- who is in which network


def test_the_root_namespace_says_the_network_of_all_that_say_none() -> None:
    mesh = snapshot(cluster("west"), *TWO, entry("plain", "10.0.0.5"))
    assert ("10.0.0.5:8080", 1) in shown(mesh, proxy("west"))[WEB]
    assert ("10.0.0.5:8080", 1) in shown(mesh, proxy("east"))[WEB], "no gateway is said to lead there"
    both = snapshot(cluster("west"), *TWO, entry("plain", "10.0.0.5"), leading("west", "192.0.2.9", name="other"))
    assert shown(both, proxy("east"))[WEB][-1] == ("192.0.2.9:15443", 2)


def test_a_caller_is_where_its_pod_is() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": "shop"}, "spec": {}}
    pod["spec"] = {"containers": []}
    near = [("10.0.0.1:8080", 1), (DOOR, 3)]
    assert shown(snapshot(cluster("west"), *TWO, pod), proxy())[WEB] == near
    labelled = {**pod, "metadata": {"name": "client", "namespace": "shop", "labels": {NETWORK: "west"}}}
    assert shown(snapshot(*TWO, labelled), proxy())[WEB] == near
    assert shown(snapshot(cluster("west"), *TWO, pod), proxy("east"))[WEB][0] == ("10.0.0.1:8080", 2)


def networks(**found: Any) -> Manifest:
    made = mesh_config()
    made["data"]["meshNetworks"] = json.dumps({"networks": found})
    return made


def test_mesh_networks_name_networks_and_their_gateways() -> None:
    door = {"gateways": [{"address": "192.0.2.1", "port": 15443}]}
    behind = {"endpoints": [{"fromCidr": "10.0.0.0/24"}]}
    mesh = snapshot(
        service("web"), entry("near", "10.0.1.1"), entry("far", "10.0.0.2"), networks(east={**behind, **door})
    )
    assert shown(mesh, proxy("west", addresses=("10.0.1.9",)))[WEB] == [("10.0.1.1:8080", 1), (DOOR, 1)]
    assert shown(mesh, proxy(addresses=("10.0.0.9",)))[WEB] == [("10.0.0.2:8080", 1), ("10.0.1.1:8080", 1)]


def test_mesh_networks_name_a_gateway_by_its_service() -> None:
    named = {"gateways": [{"registryServiceName": "east-west.istio-system.svc.cluster.local", "port": 443}]}
    found = leading("east", "192.0.2.1")
    del found["metadata"]["labels"]
    mesh = snapshot(*TWO[:-1], found, networks(east={**named, "endpoints": [{"fromRegistry": "elsewhere"}]}))
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), ("192.0.2.1:443", 3)]


def test_gateways_of_the_root_namespace_go_before_those_of_others() -> None:
    """Who may write a Service in a namespace of his own takes nobody's traffic."""
    taken = leading("east", "203.0.113.6", name="mine")
    taken["metadata"]["namespace"] = "shop"
    mesh = snapshot(*TWO, taken)
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 3)]
    assert codes(mesh) == {"network.gateway-elsewhere"}
    assert shown(snapshot(*TWO[:-1], taken), proxy("west"))[WEB][1] == ("203.0.113.6:15443", 3)


# -- localities


def test_a_gateway_is_in_the_place_that_all_behind_it_are_in() -> None:
    near = entry("near", "10.0.0.1", "west", locality="r1/a")
    far = [entry("far-1", "10.0.0.1", "east", locality="r2/a"), entry("far-2", "10.0.0.2", "east", locality="r2/b")]
    rule = destination_rule("web", trafficPolicy={"outlierDetection": {}})
    mesh = snapshot(service("web"), near, *far, leading("east", "192.0.2.1"), rule)
    caller = proxy("west", locality=Locality("r1", "a"))
    (found,) = (each for each in specs(mesh, caller) if isinstance(each, EndpointGroup) and each.name == WEB)
    assert [(group.locality, group.priority) for group in found.localities] == [
        (Locality("r1", "a"), 0),
        (Locality("r2"), 1),
    ]


def test_failover_by_network() -> None:
    balanced = {"localityLbSetting": {"failoverPriority": [NETWORK]}}
    rule = destination_rule("web", trafficPolicy={"outlierDetection": {}, "loadBalancer": balanced})
    (found,) = (
        each
        for each in specs(snapshot(*TWO, rule), proxy("west"))
        if isinstance(each, EndpointGroup) and each.name == WEB
    )
    assert [(group.endpoints[0].address, group.priority) for group in found.localities] == [
        ("10.0.0.1", 0),
        ("192.0.2.1", 1),
    ]


# -- the gateway itself

OPEN = gateway("open", server(15443, "TLS", "*.local", tls={"mode": "AUTO_PASSTHROUGH"}), router="door")


def test_a_gateway_passes_on_to_its_own_network_and_to_no_other_gateway() -> None:
    mesh = snapshot(*TWO, entry("plain", "10.0.0.3", "east", labels={"version": "x"}), OPEN)
    door = proxy("east", kind="router", name="door", labels=labels({"istio": "door"}))
    found = {name: each for name, each in shown(mesh, door).items() if name.startswith("outbound_.80_._.web.")}
    assert list(found.values()) == [[("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]]


def test_callers_share_all_but_the_endpoints_that_are_apart() -> None:
    mesh = snapshot(*TWO, service("near"), service("other"))
    graph = Graph(mesh)

    def leaves(of: Proxy) -> set[Any]:
        views: Any = graph.get(call(proxy_view, of))
        return {leaf for group in graph.get(views.outbound) for leaf in graph.get(group)}

    apart = leaves(proxy("west")) - leaves(proxy("east"))
    assert {leaf.args[0] for leaf in apart} == {WEB}


def test_a_gateway_of_the_gateway_api_passes_on_like_one_of_istio() -> None:
    """As Istio's documentation writes an east-west gateway."""
    passed = {"mode": "Passthrough", "options": {"gateway.istio.io/listener-protocol": "auto-passthrough"}}
    listening = listener(15443, protocol="TLS", name="cross", hostname="*.local", tls=passed)
    of_api = made("Gateway", "door", "istio-system", gatewayClassName="plait", listeners=[listening])
    mesh = snapshot(*TWO, gateway_class(), of_api)
    door = proxy("east", kind="router", namespace="istio-system", name="door-1", labels=labels({GATEWAY_NAME: "door"}))
    found = {name: each for name, each in shown(mesh, door).items() if name.startswith("outbound_.80_._.web.")}
    assert list(found.values()) == [[("10.0.0.1:8080", 2), ("10.0.0.2:8080", 1)]]


def test_a_gateway_that_has_a_name_is_called_when_that_is_found() -> None:
    found = leading("east")
    found["spec"]["type"] = "LoadBalancer"
    found["status"] = {"loadBalancer": {"ingress": [{"hostname": "east.elb.example"}]}}
    mesh = snapshot(*TWO[:-1], found)
    assert gateway_names(mesh) == {"east.elb.example"}
    assert shown(mesh, proxy("west"))[WEB] == [("10.0.0.1:8080", 1)]
    assert codes(mesh) == {"network.gateway-address"}
    resolved = GatewayName("east.elb.example", ("192.0.2.1", "169.254.169.254"))
    known, _ = mesh.changed({Input(Table.GATEWAY_NAME, resolved.name): (resolved,)})
    assert shown(known, proxy("west"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 3)]
    assert not codes(known)


def remote(manifest: Manifest) -> Object[Any]:
    """The object as the remote cluster ``c2`` has it."""
    (document,) = split(documents(manifest), "test.yaml")
    found = next(iter(read_document(document).objects))
    return replace(found, ref=replace(found.ref, cluster="c2"))


def test_another_cluster_in_another_network_is_called_by_its_own_gateway() -> None:
    """With what it says of itself: its root namespace's label, and its Service's; addresses may be those of here."""
    own = [service("web", clusterIP="10.96.0.1"), cluster("west"), leading("west", "198.51.100.1")]
    slices, server_pod = slice_of("IPv4", "10.0.0.1"), pod("web-1", "10.0.0.1")
    here = read_all(*own, slices, server_pod)
    there = [
        remote(each) for each in (service("web"), cluster("east"), leading("east", "192.0.2.1"), slices, server_pod)
    ]
    mesh = applied(Builder(), [*here, *there]).snapshot
    assert shown(mesh, proxy(name="web-1"))[WEB] == [("10.0.0.1:8080", 1), (DOOR, 1)]
    assert shown(mesh, proxy("east"))[WEB] == [("10.0.0.1:8080", 1), ("198.51.100.1:15443", 1)]


def test_an_ingress_router_calls_other_networks_like_a_sidecar() -> None:
    front = gateway("front", server(80, "HTTP", "*"), router="edge")
    routed = virtual_service("*", {"route": [to("web")]}, name="site", gateways=["front"])
    edge = proxy("west", kind="router", name="edge", labels=labels({"istio": "edge"}))
    assert shown(snapshot(*TWO, front, routed), edge)[WEB] == [("10.0.0.1:8080", 1), (DOOR, 3)]


def test_a_rule_that_asks_for_networks_takes_no_secrets_from_routers() -> None:
    """Be its author who he may: where a router is, its pod's labels need not say."""
    front = gateway("front", server(443, "HTTPS", "*", tls={"mode": "SIMPLE", "credentialName": "site"}), router="edge")
    balanced = {"loadBalancer": {"localityLbSetting": {"failoverPriority": [NETWORK]}}, "outlierDetection": {}}
    asking = destination_rule("web", trafficPolicy=balanced)
    edge = proxy("", kind="router", name="edge", service_account="default", labels=labels({"istio": "edge"}))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "edge", "namespace": "shop", "labels": {"istio": "edge"}},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIP": "10.0.0.9"},
    }
    mesh = (*TWO, cluster("west"), front, pod)
    assert Graph(snapshot(*mesh)).get(call(router, edge)).has_secrets
    found = Graph(snapshot(*mesh, asking)).get(call(router, edge))
    assert (NETWORK, "west") in found.scope.labels
    assert found.has_secrets


def test_addresses_of_a_headless_service_are_listened_on_once() -> None:
    """Two networks may have one address, and what a gateway alone leads to has none."""
    headless = service("web", {"name": "tcp", "port": 80, "targetPort": 8080})
    headless["spec"]["clusterIP"] = "None"
    mesh = snapshot(headless, *TWO[1:], entry("far-3", "", "east"))
    found = [each.name for each in specs(mesh, proxy("west")) if isinstance(each, ListenerSpec)]
    assert [each for each in found if "8080" in each] == ["10.0.0.1_8080", "10.0.0.2_8080"]


def test_addresses_of_a_headless_service_are_domains_once() -> None:
    headless = service("web")
    headless["spec"]["clusterIP"] = "None"
    mesh = snapshot(headless, *TWO[1:], entry("far-3", "", "east"))
    hosts = [each for each in specs(mesh, proxy("west")) if isinstance(each, VirtualHostSpec) and "/web." in each.name]
    assert hosts
    for found in hosts:
        assert [each for each in found.domains if not each or "10.0." in each] == ["10.0.0.1", "10.0.0.2"]


def test_an_own_machine_is_nobody_that_a_gateway_passes_on_to() -> None:
    """What its author says of an endpoint is not enough to have a router write to a socket of its own."""
    told = {"address": "unix:///var/run/own", "labels": MTLS}
    spec = {"hosts": ["own.local"], "location": "MESH_INTERNAL", "resolution": "STATIC", "endpoints": [told]}
    spec["ports"] = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    own = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"}
    door = proxy("east", kind="router", name="door", labels=labels({"istio": "door"}))
    found = shown(snapshot(*TWO, OPEN, {**own, "metadata": {"name": "own", "namespace": "shop"}, "spec": spec}), door)
    assert found["outbound_.80_._.own.local"] == []


def test_who_asks_for_hosts_on_demand_is_led_alike() -> None:
    lazy = proxy("west", labels=labels({LABEL: ON_DEMAND}))
    wanted = service("web", {"name": "tcp", "port": 80, "targetPort": 8080})
    assert shown(snapshot(wanted, *TWO[1:]), lazy)[WEB][-1] == (DOOR, 3)
