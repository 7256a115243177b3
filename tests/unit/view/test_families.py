"""Address families: where listeners are bound, and to which of a pod's addresses which callers are led."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.endpoint import EndpointKey, Locality
from xds.model.families import Families
from xds.model.proxy import Proxy
from xds.view import names
from xds.view.endpoints import Callers, endpoint_group
from xds.view.graph import Graph, call
from xds.view.inbound import Offer, inbound_cluster, inbound_ports
from xds.view.inbound_listener import virtual_inbound
from xds.view.listeners import PortClaims, virtual_outbound, wildcard_listener
from xds.view.scope import scope
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.listeners import ListenerSpec

HOST = "web.shop.svc.cluster.local"
KEY = EndpointKey(HOST, "shop", 80)
FOUR, SIX, BOTH = Families.IPV4, Families.IPV6, Families.BOTH


def service(*addresses: str) -> dict[str, Any]:
    spec = {"selector": {"app": "web"}, "clusterIP": addresses[0], "clusterIPs": list(addresses)}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {**spec, "ports": ports},
    }


def pod(name: str, *addresses: str) -> dict[str, Any]:
    status = {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
    spec = {"containers": [{"name": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def slice_of(family: str, *addresses: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "web"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"web-{family.lower()}", "namespace": "shop", "labels": labels},
        "addressType": family,
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        "ports": [{"name": "http", "port": 8080}],
    }


PODS = (
    pod("one", "10.0.0.1", "fd00::1"),
    pod("two", "10.0.0.2", "fd00::2"),
    pod("six", "fd00::3"),
    pod("four", "10.0.0.4"),
)
SLICES = (slice_of("IPv4", "10.0.0.1", "10.0.0.2", "10.0.0.4"), slice_of("IPv6", "fd00::1", "fd00::2", "fd00::3"))


def graph(*objects: dict[str, Any]) -> Graph:
    builder = Builder()
    return Graph(applied(builder, [made(each) for each in objects]).snapshot)


def led_to(on: Graph, families: Families) -> list[str]:
    (group,) = on.get(call(endpoint_group, "c", KEY, frozenset(), Callers(families=families)))
    return [each.address for locality in group.localities for each in locality.endpoints]


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (FOUR, ["10.0.0.1", "10.0.0.2", "10.0.0.4"]),
        (SIX, ["fd00::1", "fd00::2", "fd00::3"]),
        (BOTH, ["10.0.0.1", "10.0.0.2", "10.0.0.4", "fd00::3"]),
    ],
)
def test_callers_are_led_where_they_can_go_and_to_each_pod_once(families: Families, expected: list[str]) -> None:
    assert led_to(graph(service("10.96.0.1", "fd00:96::1"), *PODS, *SLICES), families) == expected


def test_the_service_s_first_family_is_preferred() -> None:
    found = led_to(graph(service("fd00:96::1", "10.96.0.1"), *PODS, *SLICES), BOTH)
    assert found == ["10.0.0.4", "fd00::1", "fd00::2", "fd00::3"]


def test_a_service_of_one_family_has_its_pods_by_that_one() -> None:
    only_six = graph(service("fd00:96::1"), *PODS, SLICES[1])
    assert led_to(only_six, BOTH) == led_to(only_six, SIX) == ["fd00::1", "fd00::2", "fd00::3"]
    assert led_to(only_six, FOUR) == []


@pytest.mark.parametrize(
    ("families", "addresses", "sources"),
    [
        (FOUR, ("0.0.0.0",), ("127.0.0.6",)),
        (SIX, ("::",), ("::6",)),
        (BOTH, ("0.0.0.0", "::"), ("127.0.0.6", "::6")),
    ],
)
def test_listeners_have_a_socket_of_each_family(
    families: Families, addresses: tuple[str, ...], sources: tuple[str, ...]
) -> None:
    on = graph(service("10.96.0.1", "fd00:96::1"), *PODS, *SLICES)
    offer = Offer("shop", frozenset({("app", "web")}), "one", families=families)
    ports = on.get(call(inbound_ports, offer))
    listeners: tuple[ListenerSpec, ...] = (
        *on.get(call(virtual_outbound, families)),
        *on.get(call(wildcard_listener, PortClaims(80, True, families=families))),
        *on.get(call(virtual_inbound, offer, ports)),
    )
    for each in listeners:
        assert (each.address, *each.additional_addresses) == addresses, each.name
    (cluster,) = on.get(call(inbound_cluster, ports[0], families))
    assert isinstance(cluster, ClusterSpec)
    assert cluster.source_addresses == sources


def test_the_family_of_a_proxy_is_that_of_its_addresses() -> None:
    on = graph(service("10.96.0.1"))
    for ips, expected in (("10.0.0.1", FOUR), ("fd00::1", SIX), ("10.0.0.1,fd00::1", BOTH), ("fd00::1,10.0.0.1", BOTH)):
        node = f"sidecar~{ips.partition(',')[0]}~one.shop~shop.svc.cluster.local"
        proxy = Proxy.of(node, {"INSTANCE_IPS": ips}, locality=Locality(), vhds=True, version="")
        assert on.get(call(scope, proxy)).families is expected
    assert names.wildcard_listener(80) == "0.0.0.0_80", "whatever the family: patches name listeners"
