"""No endpoint that a tenant writes leads into the machine or to the admin interface of others' proxies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.endpoint import EndpointKey
from xds.model.families import Families
from xds.view.endpoints import Callers, endpoint_group, endpoints
from xds.view.graph import Graph, call

HOST = "evil.example"
KEY = EndpointKey(HOST, "evil", 80)


def entry(*addresses: str, port: int, resolution: str = "STATIC") -> dict[str, Any]:
    def endpoint(address: str) -> dict[str, Any]:
        return {"address": address} | ({} if address.startswith("unix:") else {"ports": {"http": port}})

    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "evil", "namespace": "evil"},
        "spec": {
            "hosts": [HOST],
            "resolution": resolution,
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "endpoints": [endpoint(address) for address in addresses],
        },
    }


def graph(*objects: dict[str, Any]) -> Graph:
    return Graph(applied(Builder(), [made(each) for each in objects]).snapshot)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
def test_the_admin_interface_is_nobodys_endpoint(address: str) -> None:
    assert graph(entry(address, "10.0.0.1", port=15000)).get(call(endpoints, KEY))[0].address == "10.0.0.1"
    assert len(graph(entry(address, "10.0.0.1", port=15000)).get(call(endpoints, KEY))) == 1
    assert len(graph(entry(address, "10.0.0.1", port=8080)).get(call(endpoints, KEY))) == 2


def test_a_name_may_mean_loopback() -> None:
    assert not graph(entry("lo.evil.example", port=15000, resolution="DNS")).get(call(endpoints, KEY))


def test_gateways_have_no_sockets_and_metadata_services_as_endpoints() -> None:
    clouds = (
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "FD20:ce:0::254",
        "::ffff:169.254.169.254",
        "100.100.100.200",
    )
    objects = entry("unix:///run/spire/agent.sock", *clouds, "10.0.0.1", port=8080)

    def addresses(*callers: Callers) -> list[str]:
        (group,) = graph(objects).get(call(endpoint_group, "c", KEY, frozenset(), *callers))
        return [each.address for locality in group.localities for each in locality.endpoints]

    assert len(addresses(Callers(families=Families.BOTH))) == 7
    assert len(addresses()) == 4, "without IPv6, no way leads to fe80::1"
    assert addresses(Callers(routers=True)) == ["10.0.0.1"]
