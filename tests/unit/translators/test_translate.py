"""Each spec gives the resource of its type, under its name."""

from __future__ import annotations

import pytest

from xds.translators.translate import translate
from xds.view.specs.clusters import ClusterSpec, Discovery, EndpointGroup
from xds.view.specs.listeners import Chain, ChainMatch, ListenerSpec, TcpChain
from xds.view.specs.resources import Spec
from xds.view.specs.routes import RouteTable, VirtualHostSpec, WeightedCluster
from xds.wire import type_urls
from xds.wire.codec import decode, to_plain

LISTENER = ListenerSpec("l", "10.0.0.1", 80, (Chain("c", ChainMatch(), TcpChain("p", (WeightedCluster("c"),))),))


@pytest.mark.parametrize(
    ("spec", "type_url", "name"),
    [
        (LISTENER, type_urls.LISTENER, "l"),
        (ClusterSpec("c", Discovery.EDS), type_urls.CLUSTER, "c"),
        (EndpointGroup("c", ()), type_urls.ENDPOINT, "c"),
        (RouteTable("80", vhds=True), type_urls.ROUTE, "80"),
    ],
)
def test_each_spec_is_its_resource(spec: Spec, type_url: str, name: str) -> None:
    found = translate(spec)
    assert (found.type_url, found.name) == (type_url, name)
    assert decode(found.type_url, found.body).IsInitialized()
    assert translate(spec) == found


def test_virtual_hosts_are_named_as_they_name_themselves() -> None:
    found = translate(VirtualHostSpec("80", "80/b.shop:80", ("b",), ()))
    message = decode(found.type_url, found.body)
    assert found.type_url == type_urls.VIRTUAL_HOST
    assert found.name == to_plain(message)["name"] == "80/b.shop:80"
