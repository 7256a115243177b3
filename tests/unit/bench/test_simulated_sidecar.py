"""The benchmark's sidecars read what a server sends, and ask in Envoy's order."""

from __future__ import annotations

from bench.clients import DeltaSidecar, node
from bench.mesh import Pod
from bench.responses import Reader
from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.listener.v3 import listener_pb2
from xds.api.envoy.config.route.v3 import route_pb2
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.wire import type_urls as t
from xds.wire.resource import Resource

POD = Pod("web-0", "shop", "10.64.0.1", "web")
CLUSTERS = [f"outbound|80||svc-{number}" for number in range(20)]


def response(type_url: str, *resources: Resource, nonce: str = "1", removed: tuple[str, ...] = ()) -> bytes:
    message = discovery_pb2.DeltaDiscoveryResponse(type_url=type_url, nonce=nonce, removed_resources=removed)
    head = message.SerializeToString()
    return head + b"".join(resource.delta_item for resource in resources)


def clusters(*names: str) -> list[Resource]:
    kind = cluster_pb2.Cluster.EDS
    return [Resource(t.CLUSTER, name, cluster_pb2.Cluster(name=name, type=kind).SerializeToString()) for name in names]


def listener() -> Resource:
    manager = http_connection_manager_pb2.HttpConnectionManager()
    manager.rds.route_config_name = "80"
    message = listener_pb2.Listener(name="0.0.0.0_80")
    message.filter_chains.add().filters.add().typed_config.Pack(manager)
    return Resource(t.LISTENER, message.name, message.SerializeToString())


def route_table() -> Resource:
    message = route_pb2.RouteConfiguration(name="80")
    message.vhds.config_source.ads.SetInParent()
    return Resource(t.ROUTE, "80", message.SerializeToString())


def asked(requests: list[bytes]) -> list[tuple[str, tuple[str, ...], str]]:
    messages = [discovery_pb2.DeltaDiscoveryRequest.FromString(request) for request in requests]
    return [(each.type_url, tuple(each.resource_names_subscribe), each.response_nonce) for each in messages]


def test_it_asks_in_envoys_order_and_is_synced_at_the_end() -> None:
    sidecar = DeltaSidecar(node(POD), Reader(delta=True))
    assert asked(sidecar.start()) == [(t.CLUSTER, (), "")]
    _, requests = sidecar.receive(response(t.CLUSTER, *clusters("a", "b"), nonce="7"))
    assert asked(requests) == [(t.CLUSTER, (), "7"), (t.ENDPOINT, ("a", "b"), "")]
    _, requests = sidecar.receive(response(t.ENDPOINT, Resource(t.ENDPOINT, "a", b""), nonce="8"))
    assert asked(requests) == [(t.ENDPOINT, (), "8")]
    _, requests = sidecar.receive(response(t.ENDPOINT, removed=("b",), nonce="9"))
    assert asked(requests) == [(t.ENDPOINT, (), "9"), (t.LISTENER, (), "")]
    _, requests = sidecar.receive(response(t.LISTENER, listener(), nonce="10"))
    assert asked(requests) == [(t.LISTENER, (), "10"), (t.ROUTE, ("80",), "")]
    _, requests = sidecar.receive(response(t.ROUTE, route_table(), nonce="11"))
    assert asked(requests) == [(t.ROUTE, (), "11"), (t.VIRTUAL_HOST, (), "")]
    assert not sidecar.synced
    sidecar.receive(response(t.VIRTUAL_HOST, Resource(t.VIRTUAL_HOST, "80/web", b""), nonce="12"))
    assert sidecar.synced


def test_what_many_are_sent_is_read_alike_with_each_ones_own_resources() -> None:
    reader = Reader(delta=True)
    for own in ("inbound|1", "inbound|2", "inbound|1"):
        read = reader.read(response(t.CLUSTER, *clusters(*CLUSTERS, "inbound", own), nonce=own))
        assert read.nonce == own
        assert read.content.names == {*CLUSTERS, "inbound", own}
        assert read.content.refers == read.content.names
