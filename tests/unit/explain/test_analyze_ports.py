"""Ports of services that cannot be what they are meant for: HTTP routes on TCP, ports where nobody says he listens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.manifests import HTTP, Manifest, namespace, pod, service, service_entry, to, virtual_service
from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.problem import Problem

ROUTED = virtual_service("web", {"route": [to("web")]})
TCP = {"name": "tcp", "port": 80, "targetPort": 8080}


def found(*objects: Manifest) -> dict[str, Problem]:
    builder = Builder()
    change = applied(builder, [made(each) for each in (namespace("shop"), *objects)])
    return {each.code: each for each in analyze(change.snapshot, builder.problems)}


def running(name: str = "web", **more: Any) -> Manifest:
    address = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "phase": "Running"}
    return {**pod(name, **more), "status": {**address, "conditions": [{"type": "Ready", "status": "True"}]}}


@pytest.mark.parametrize(
    ("ports", "routed", "told"),
    [
        ([TCP], ROUTED, True),
        ([HTTP], ROUTED, False),
        ([{**TCP, "name": "web"}], ROUTED, False),
        ([TCP, {"name": "http", "port": 81}], ROUTED, False),
        ([TCP], virtual_service("web", tcp=[{"route": [to("web")]}]), False),
        ([TCP], virtual_service("web", {"route": [to("web")]}, gateways=["front"]), False),
    ],
)
def test_http_routes_for_a_port_of_bytes(ports: list[Manifest], routed: Manifest, *, told: bool) -> None:
    problem = found(service("web", *ports), routed, running()).get("service.port-not-http")
    assert (problem is not None) is told
    if problem is not None:
        assert (str(problem.at.object), problem.at.dotted) == ("Service shop/web", "spec.ports[0]")
        assert "the HTTP routes of VirtualService shop/web take nothing" in problem.message


def test_http_routes_for_the_bytes_of_a_service_entry() -> None:
    entry = service_entry("far", hosts=["far.test"], resolution="DNS", addresses=["240.0.0.9"],
                          ports=[{"name": "tcp", "number": 80, "protocol": "TCP"}])  # fmt: skip
    told = found(entry, virtual_service("far.test", {"route": [to("far.test")]}))["service.port-not-http"]
    assert str(told.at.object) == "ServiceEntry shop/far"


def behind(port: int) -> Manifest:
    """The running pod as an endpoint of the service, at that port of it."""
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    }


@pytest.mark.parametrize(
    ("target", "declared", "told"),
    [
        (8089, "http:8080", True),
        (8080, "http:8080", False),
        (9000, "http:8080 tcp:9000", False),
        (8089, "", False),
    ],
)
def test_a_port_where_no_pod_says_that_it_listens(target: int, declared: str, *, told: bool) -> None:
    objects = service("web", {**HTTP, "targetPort": target}), running(ports=declared), behind(target)
    problem = found(*objects).get("service.target-undeclared")
    assert (problem is not None) is told
    if problem is not None:
        assert (str(problem.at.object), problem.at.dotted) == ("Service shop/web", "spec.ports[0].targetPort")
        assert problem.message == "leads to port 8089 of its pods, which say that they listen on 8080"
