"""TCP routes of VirtualServices: by port, address and caller; by weight; and no edit of them drains anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.envoy.connections import open_tcp
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely
from xds.testing.mesh import Mesh

PORTS = (
    {"name": "tcp", "port": 9000},
    {"name": "tcp-b", "port": 9001, "targetPort": 9000},
    {"name": "any", "port": 9002, "targetPort": 9000},
)
DRAINS = r"listener_manager\.(listener_modified|listener_in_place_updated|listener_removed)$"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        pod("client", labels={"team": "a"}),
        pod("other", labels={"team": "b"}),
        pod("web-v1", ports="tcp:9000"),
        pod("web-v2", ports="tcp:9000"),
        pod("far-v3", ports="tcp:9000"),
        service("web", *PORTS),
        service("far", {"name": "tcp", "port": 9100, "targetPort": 9000}),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


def routed(*tcp: Manifest, **spec: Any) -> str:
    return documents(virtual_service("web", tcp=list(tcp), **spec))


async def versions(
    mesh: Mesh, port: int = 9000, count: int = 12, pod: str = "client", host: str = "web"
) -> Counter[str]:
    # Where the protocol is detected, nobody speaks before the client.
    replies = await mesh.tcp(pod, host, port, ["hello"], count=count, greetings=0)
    return Counter(reply.echo["version"] for reply in replies)


async def test_a_subset(mesh: Mesh) -> None:
    await mesh.apply(routed({"route": [to("web", "v2")]}))
    assert (await versions(mesh)).keys() == {"v2"}
    assert (await versions(mesh, 9002)).keys() == {"v2"}, "a port whose protocol is detected"


async def test_weights(mesh: Mesh) -> None:
    await mesh.apply(routed({"route": [to("web", "v1", 75), to("web", "v2", 25)]}))
    assert (await versions(mesh, count=400))["v2"] in likely(400, 0.25)


async def test_another_service(mesh: Mesh) -> None:
    await mesh.apply(routed({"match": [{"port": 9001}], "route": [to("far")]}))
    assert (await versions(mesh, 9001)).keys() == {"v3"}, "its only port is meant"
    assert (await versions(mesh)).keys() == {"v1", "v2"}, "a port that no route is for"


async def test_the_first_match_without_addresses_ends_the_list(mesh: Mesh) -> None:
    nowhere = {"match": [{"destinationSubnets": ["192.0.2.0/24"]}], "route": [to("far")]}
    await mesh.apply(routed(nowhere, {"route": [to("web", "v1")]}, {"route": [to("web", "v2")]}))
    assert (await versions(mesh)).keys() == {"v1"}


async def test_by_address(mesh: Mesh) -> None:
    here = {"match": [{"destinationSubnets": ["0.0.0.0/0"]}], "route": [to("web", "v2")]}
    await mesh.apply(routed(here, {"route": [to("web", "v1")]}))
    assert (await versions(mesh)).keys() == {"v2"}


async def test_by_the_callers_labels(mesh: Mesh) -> None:
    chosen = {"match": [{"sourceLabels": {"team": "b"}}], "route": [to("web", "v2")]}
    await mesh.apply(routed(chosen, {"route": [to("web", "v1")]}))
    assert (await versions(mesh)).keys() == {"v1"}
    assert (await versions(mesh, pod="other")).keys() == {"v2"}


async def test_by_the_callers_namespace(mesh: Mesh) -> None:
    chosen = {"match": [{"sourceNamespace": "shop"}], "route": [to("web", "v2")]}
    elsewhere = {"match": [{"sourceNamespace": "ops"}], "route": [to("web", "v1")]}
    await mesh.apply(routed(elsewhere, chosen))
    assert (await versions(mesh)).keys() == {"v2"}


async def test_a_route_for_a_gateway_is_not_the_sidecars(mesh: Mesh) -> None:
    await mesh.apply(routed({"match": [{"gateways": ["edge"]}], "route": [to("web", "v2")]}))
    assert (await versions(mesh)).keys() == {"v1", "v2"}


async def test_a_destination_that_is_not_there_closes_the_connection(mesh: Mesh) -> None:
    await mesh.apply(routed({"route": [to("web", "v9")]}))
    (reply,) = await mesh.tcp("client", "web", 9000)
    assert not reply.messages


async def test_the_rule_of_the_first_destination_decides_how_long_it_may_idle(mesh: Mesh) -> None:
    short = destination_rule("web", name="short", trafficPolicy={"connectionPool": {"tcp": {"idleTimeout": "0.3s"}}})
    await mesh.apply(documents(short))
    before = await mesh.stats("client", "idle_timeout")
    await mesh.tcp("client", "web", 9000)

    async def ended() -> bool:
        after = await mesh.stats("client", "idle_timeout")
        return sum(after.values()) >= sum(before.values())

    await mesh.until(ended, "idle connections end")


def policy(**settings: Any) -> str:
    return documents(destination_rule("web", name="edited", trafficPolicy=settings))


EDITS = (
    routed({"route": [to("web", "v1", 90), to("web", "v2", 10)]}),
    routed({"route": [to("web", "v1", 1), to("web", "v2", 99)]}),
    routed({"route": [to("far")]}),
    policy(connectionPool={"tcp": {"idleTimeout": "1h"}}),
    policy(loadBalancer={"consistentHash": {"useSourceIp": True}}),
    policy(tls={"mode": "DISABLE"}),
    documents(mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})),
)


async def test_no_edit_of_routes_or_rules_touches_a_listener_or_an_open_connection(mesh: Mesh) -> None:
    before = await mesh.stats("client", DRAINS)
    async with open_tcp(mesh, "client", "web", 9000) as first, open_tcp(mesh, "client", "web", 9002) as sniffed:
        for edit in EDITS:
            await mesh.apply(edit)
        await mesh.delete()
        assert await mesh.stats("client", DRAINS) == before
    assert first.count > 10
    assert sniffed.count > 10


async def test_new_connections_follow_at_once(mesh: Mesh) -> None:
    await mesh.apply(routed({"route": [to("web", "v1")]}))
    async with open_tcp(mesh, "client", "web", 9000) as old:
        await mesh.apply(routed({"route": [to("web", "v2")]}))
        assert (await versions(mesh)).keys() == {"v2"}
    assert old.greeting["version"] == "v1"


async def test_a_service_of_a_subnet(mesh: Mesh) -> None:
    """Connections to addresses of which no service has the name: by port and subnet, on the listener of all."""
    entry = service_entry(
        "wide", hosts=["wide.test"], addresses=["198.51.100.0/24"], resolution="STATIC",
        ports=[{"number": 9500, "name": "tcp", "protocol": "TCP", "targetPort": 9000}],
        endpoints=[{"address": mesh.ip("web-v1")}],
    )  # fmt: skip
    half = {"match": [{"destinationSubnets": ["198.51.100.128/25"]}], "route": [to("far")]}
    await mesh.apply(documents(entry, virtual_service("wide.test", tcp=[half])))
    assert (await versions(mesh, 9500, host="198.51.100.7")).keys() == {"v1"}
    assert (await versions(mesh, 9500, host="198.51.100.200")).keys() == {"v3"}
