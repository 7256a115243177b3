"""Which hosts a proxy's load report means: those whose clusters had requests, and those whose nobody counts."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.model.on_demand import AskedBy, asked_by
from xds.model.proxy import Proxy
from xds.proxies.usage import HostsUsed
from xds.sources.demands import Demands
from xds.wire.resource import Resource, ResourceSet, Table
from xds.wire.type_urls import CLUSTER, VIRTUAL_HOST

PROXY = Proxy("p", namespace="shop")


class Noted(Demands):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []

    def used(self, by: AskedBy, names: Any) -> None:
        assert by == asked_by(PROXY)
        self.hosts += names


def host(name: str, *routes: dict[str, Any]) -> Resource:
    message = json_format.ParseDict({"name": name, "domains": [name], "routes": list(routes)}, VirtualHost())
    return Resource.of(message)


def to(*clusters: str) -> dict[str, Any]:
    if len(clusters) == 1:
        return {"route": {"cluster": clusters[0]}}
    return {"route": {"weighted_clusters": {"clusters": [{"name": each} for each in clusters]}}}


HOSTS = (
    host("80/a", to("a")),
    host("80/split", to("b"), to("c", "d")),
    host("80/gone", {"redirect": {"host_redirect": "a"}}),
    host("80/moved", {"redirect": {"host_redirect": "a"}}, to("a")),
    host("80/header", to("a"), {"route": {"cluster_header": "x"}}),
    host("80/passed", to("PassthroughCluster")),
    host("80/unheard-of", to("nowhere")),
)
ALWAYS = ["80/gone", "80/header", "80/passed", "80/unheard-of"]


def used(*clusters: str) -> list[str]:
    known = [Resource.of(Cluster(name=name, type=Cluster.EDS)) for name in "abcd"]
    known.append(Resource.of(Cluster(name="PassthroughCluster", type=Cluster.ORIGINAL_DST)))
    served = ResourceSet({VIRTUAL_HOST: (Table(HOSTS),), CLUSTER: (Table(known),)})
    noted = Noted()
    HostsUsed(noted, lambda _: served).used(PROXY, frozenset(clusters))
    assert set(noted.hosts) >= set(ALWAYS)
    return sorted(set(noted.hosts) - set(ALWAYS))


def test_a_host_is_used_that_leads_to_a_cluster_with_requests() -> None:
    assert used() == []
    assert used("a") == ["80/a", "80/moved"]
    assert used("d", "other") == ["80/split"]


def test_of_a_proxy_that_is_served_nothing_nothing_is_said() -> None:
    noted = Noted()
    HostsUsed(noted, lambda _: None).used(PROXY, frozenset("a"))
    assert noted.hosts == []
