"""A mesh of 1000 services and the streams of its proxies: a change reaches who asked for it, and nothing else moves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from tests.protocol.clients import DeltaClient, delta
from xds.decoders.build import Builder, Change
from xds.kinds.authored import Authored
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST

COUNT = 1000
PROXIES = [Proxy(f"p{n}", namespace=f"n{n % 4}", name=f"p{n}", labels=labels({"app": f"s{n}"})) for n in range(8)]
NAME = "outbound|80||s5.n5.svc.cluster.local"
Clients = dict[Proxy, DeltaClient]
Sent = dict[Proxy, list[tuple[str, str]]]


def service(number: int) -> Object[Authored]:
    spec: dict[str, Any] = {"clusterIP": f"10.96.{number // 250}.{number % 250}", "selector": {"app": f"s{number}"}}
    spec["ports"] = [{"name": "http", "port": 80, "targetPort": 8080}]
    metadata = {"name": f"s{number}", "namespace": f"n{number % 20}"}
    return made({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def slice_of(number: int, endpoints: int) -> Object[Authored]:
    own = {"kubernetes.io/service-name": f"s{number}"}
    return made(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"s{number}-1", "namespace": f"n{number % 20}", "labels": own},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"addresses": [f"10.{1 + number // 250}.{number % 250}.{each}"]} for each in range(endpoints)
            ],
        }
    )


def ten(number: int) -> Object[Authored]:
    return slice_of(number, 10)


def timeout(seconds: int) -> Object[Authored]:
    route = {"timeout": f"{seconds}s", "route": [{"destination": {"host": "s5"}}]}
    metadata = {"name": "s5", "namespace": "n5"}
    spec = {"hosts": ["s5"], "http": [route]}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    return made({**kind, "metadata": metadata, "spec": spec})


class Mesh:
    """The pipeline, and the streams of its proxies, all brought up to date."""

    def __init__(self) -> None:
        self.builder = Builder()
        objects = [each(number) for number in range(COUNT) for each in (service, ten)]
        self.pipeline = Pipeline(applied(self.builder, [*objects, timeout(1)]).snapshot)
        self.clients: Clients = {proxy: delta(at_once(self.pipeline.connect(proxy))) for proxy in PROXIES}
        for client in self.clients.values():
            client.request(CLUSTER)
            client.settle()
            client.request(ENDPOINT, [name for name in client.held[CLUSTER] if name.startswith("outbound|")])
            client.request(LISTENER)
            client.request(ROUTE, ["80"])
            client.settle()
            client.request(VIRTUAL_HOST)
            client.settle()

    def change(
        self, *objects: Object[Authored], gone: tuple[ObjectRef, ...] = ()
    ) -> dict[Proxy, list[tuple[str, str]]]:
        """Apply a change; what each proxy was sent for it, as (type, name)."""
        made: Change = applied(self.builder, objects, gone)
        for proxy, resources in at_once(self.pipeline.advance(made)).items():
            self.clients[proxy].stream.offer(resources)
        sent: Sent = {}
        for proxy, client in self.clients.items():
            before = set(client.held[CLUSTER])
            responses = client.settle()
            new, old = set(client.held[CLUSTER]) - before, before - set(client.held[CLUSTER])
            if new or old:  # as Envoy does when clusters come and go
                client.request(ENDPOINT, sorted(new), sorted(old))
                responses += client.settle()
            sent[proxy] = [(each.type_url, named.name) for each in responses for named in each.resources]
            sent[proxy] += [(each.type_url, f"-{name}") for each in responses for name in each.removed_resources]
        return sent


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh()


def test_one_endpoint_is_one_resource_for_each_that_asked_for_it(mesh: Mesh) -> None:
    deaf = PROXIES[0]
    mesh.clients[deaf].request(ENDPOINT, unsubscribe=[NAME])
    sent = mesh.change(slice_of(5, 11))
    assert sent.pop(deaf) == []
    assert len(sent) == len(PROXIES) - 1
    assert all(each == [(ENDPOINT, NAME)] for each in sent.values())


def test_one_route_is_one_virtual_host(mesh: Mesh) -> None:
    sent = mesh.change(timeout(2))
    assert all(each == [(VIRTUAL_HOST, "80/s5.n5.svc.cluster.local:80")] for each in sent.values())


def test_a_change_of_no_consequence_is_sent_to_nobody(mesh: Mesh) -> None:
    again = service(7)
    assert not any(mesh.change(again).values())
    made_before = mesh.pipeline.graph.made
    assert not any(mesh.change(slice_of(6, 10)).values()), "the same endpoints"
    assert mesh.pipeline.graph.made == made_before


def test_a_new_service_brings_its_own_resources_and_takes_them_along(mesh: Mesh) -> None:
    added, endpoints = service(COUNT), slice_of(COUNT, 1)
    host = f"s{COUNT}.n0.svc.cluster.local"
    new = {(CLUSTER, f"outbound|80||{host}"), (ENDPOINT, f"outbound|80||{host}"), (VIRTUAL_HOST, f"80/{host}:80")}
    sent = mesh.change(added, endpoints)
    assert all(set(each) <= new and (CLUSTER, f"outbound|80||{host}") in each for each in sent.values())
    sent = mesh.change(gone=(added.ref, endpoints.ref))
    assert all((CLUSTER, f"-outbound|80||{host}") in each for each in sent.values())
    assert all(host in name for each in sent.values() for _, name in each)
