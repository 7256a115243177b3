"""What a workload takes in: whose word counts on a port, and that a new port costs the others nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.planner.effect import Effect, Way, effect
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.inbound import Offer, inbound_ports
from xds.wire.resource import Resource, find
from xds.wire.type_urls import LISTENER, ROUTE

APP: Final = labels({"app": "web"})
PROXY: Final = Proxy("p", namespace="shop", name="web-0", labels=APP, identity=Identity.ADS)
POD: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 8080}, {"containerPort": 9104}]}]},
}


def service(name: str, port: str, target: int = 8080, year: int = 0) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    metadata |= {"creationTimestamp": f"{year}-01-01T00:00:00Z"} if year else {}
    spec = {"selector": {"app": "web"}, "ports": [{"name": port, "port": 80, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("given", "spoken"),
    [
        ([service("a", "tcp"), service("b", "http")], "HTTP"),
        ([service("a", "grpc"), service("b", "http")], "HTTP"),
        ([service("a", "x"), service("b", "grpc")], "GRPC"),
        ([service("a", "tcp"), service("b", "x")], "auto"),
        ([service("a", "tcp", year=2025), service("b", "http", year=2026)], "TCP"),
        ([service("a", "tcp", year=2026), service("b", "http", year=2025)], "HTTP"),
    ],
)
def test_the_oldest_says_what_is_spoken_else_who_serves_all(given: list[dict[str, Any]], spoken: str) -> None:
    graph = Graph(applied(Builder(), map(made, given)).snapshot)
    (port,) = graph.get(call(inbound_ports, Offer("shop", APP)))
    assert port.protocol.value == spoken


class World:
    """One proxy, whose inbound listener is edited."""

    def __init__(self, *plain: dict[str, Any]) -> None:
        self.builder = Builder()
        self.pipeline = Pipeline(applied(self.builder, map(made, (POD, *plain))).snapshot)
        self.now = at_once(self.pipeline.connect(PROXY))

    def inbound(self) -> Resource:
        found = find(self.now.of(LISTENER), "virtualInbound")
        assert found is not None
        return found

    def edit(self, *plain: dict[str, Any]) -> Effect:
        before = self.inbound()
        self.now = at_once(self.pipeline.advance(applied(self.builder, map(made, plain)))).get(PROXY, self.now)
        return effect(before, self.inbound())


@pytest.mark.parametrize("port", ["http", "tcp", "grpc"])
def test_a_service_that_leads_to_another_port_of_the_pod_drains_nothing(port: str) -> None:
    world = World(service("web", "http"))
    before = world.inbound()
    found = world.edit(service("metrics", port, 9104))
    assert found.way is Way.IN_PLACE
    assert world.inbound() is not before


def test_a_port_that_speaks_something_else_drains_its_own_chains_only() -> None:
    world = World(service("web", "http"), service("metrics", "http", 9104))
    found = world.edit(service("metrics", "tcp", 9104))
    assert found.way is Way.CHAINS_DRAIN
    assert found.chains
    assert all("9104" in chain for chain in found.chains)


def test_replicas_share_the_bytes_of_their_routes() -> None:
    world = World(service("web", "http"))
    other = replace(PROXY, id="q", name="web-1")
    sets = (world.now, at_once(world.pipeline.connect(other)))
    one, same = (find(found.of(ROUTE), "inbound|8080||") for found in sets)
    assert one is same is not None
