"""Two networks whose pods reach each other only by the gateway between them, with real Envoys and STRICT mutual TLS."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    gateway,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.local import state
from xds.local.commands import inside_network, run
from xds.model.network import NETWORK
from xds.testing.answers import likely
from xds.testing.mesh import Mesh

WEB = "http://web.shop/"
PORTS = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "tcp", "port": 9000},
    {"name": "grpc", "port": 7000},
)
ECHO = ["plait", "echo", "--http", "8080", "--tcp", "9000", "--grpc", "7000"]
ONE_REQUEST: Manifest = {"trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}}
STRICT = security("PeerAuthentication", "default", "istio-system", mtls={"mode": "STRICT"})


def within(network: str, name: str, **more: str) -> Manifest:
    """A pod of the service ``web`` in a network; ``version`` is the network's name."""
    own = {"app": "web", "version": network, NETWORK: network}
    return pod(name, labels=own, ports="http:8080 tcp:9000 grpc:7000", command=ECHO, account=f"web-{network}")


def doors(network: str) -> list[Manifest]:
    """The gateway that leads into a network, with its Service, which says so."""
    made, reached = router(
        f"into-{network}", "doors", {"name": "tls", "port": 15443}, type="LoadBalancer", labels={NETWORK: network}
    )
    reached["metadata"]["labels"] = {NETWORK: network}
    passed = server(15443, "TLS", "*.local", tls={"mode": "AUTO_PASSTHROUGH"})
    return [made, reached, gateway(f"into-{network}", passed, namespace="doors", router=f"into-{network}")]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("doors"),
        namespace("istio-system", inject=False),
        pod("client", account="shopper", labels={NETWORK: "west"}),
        within("west", "west-1"),
        within("east", "east-1"),
        within("east", "east-2"),
        within("east", "east-3"),
        service("web", *PORTS),
        *doors("west"),
        *doors("east"),
        STRICT,
    )


WEST = ("shop/client", "shop/west-1", "doors/into-west")
EAST = ("shop/east-1", "shop/east-2", "shop/east-3", "doors/into-east")


async def firewall(mesh: Mesh, action: str, source: str, there: str, *more: str) -> None:
    """Refuse (``-I``) new connections between two pods, or do so no longer (``-D``)."""
    node = next(each.node for each in state.running(state.state_folder()) if each.name == mesh.name)
    pair = ("-s", source, "-d", there, "-p", "tcp", "--syn", *more)
    refused = ("iptables", action, "FORWARD", *pair, "-j", "REJECT", "--reject-with", "tcp-reset")
    await run(inside_network(node, refused))


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="module")
async def apart(module_mesh: Mesh) -> None:
    """No connection comes about between pods of the two networks, but to gateways."""
    for here, there in ((WEST, EAST), (EAST, WEST)):
        for source in here:
            for target in there[:-1]:
                await firewall(module_mesh, "-I", module_mesh.ip(source), module_mesh.ip(target))


async def pods(mesh: Mesh, count: int = 60, **how: Any) -> Counter[str]:
    """The pods that answer requests, all of which are answered."""
    answers = await mesh.requests("client", WEB, count, **how)
    assert Counter(answer.status for answer in answers) == {200: count}
    return Counter(answer.pod for answer in answers)


async def test_requests_go_to_both_networks_by_how_many_endpoints_each_has(mesh: Mesh) -> None:
    # A gateway passes on connections, so all requests of one come to one pod.
    await mesh.apply(documents(destination_rule("web", **ONE_REQUEST)))
    found = await pods(mesh, 200)
    assert found["west-1"] in likely(200, 1 / 4)
    assert all(found[f"east-{number}"] in likely(200, 1 / 4) for number in (1, 2, 3)), found


async def test_servers_see_who_calls(mesh: Mesh) -> None:
    answers = await mesh.requests("client", WEB, 40)
    for answer in answers:
        told = answer.seen["x-forwarded-client-cert"]
        assert "URI=spiffe://cluster.local/ns/shop/sa/shopper" in told
        assert f"By=spiffe://cluster.local/ns/shop/sa/web-{answer.pod.partition('-')[0]}" in told


async def test_policies_tell_callers_apart_behind_the_gateway(mesh: Mesh) -> None:
    stranger = "cluster.local/ns/shop/sa/stranger"
    rules = [{"from": [{"source": {"principals": [stranger]}}]}]
    selector = {"matchLabels": {"version": "east"}}
    await mesh.apply(documents(security("AuthorizationPolicy", "east", selector=selector, rules=rules)))
    answers = await mesh.requests("client", WEB, 40)
    assert {answer.status for answer in answers} == {200, 403}
    assert {answer.pod for answer in answers if answer.status == 200} == {"west-1"}
    rules[0]["from"][0]["source"]["principals"] = ["cluster.local/ns/shop/sa/shopper"]
    await mesh.apply(documents(security("AuthorizationPolicy", "east", selector=selector, rules=rules)))
    assert {pod.partition("-")[0] for pod in await pods(mesh)} == {"west", "east"}


async def test_subsets_go_through_the_gateway_by_name(mesh: Mesh) -> None:
    rule = destination_rule("web", subsets=subsets("east", "west"), **ONE_REQUEST)
    routes = [
        {"match": [{"headers": {"to": {"exact": each}}}], "route": [to("web", each)]} for each in ("east", "west")
    ]
    await mesh.apply(documents(rule, virtual_service("web", *routes)))
    assert set(await pods(mesh, headers={"to": "east"})) == {"east-1", "east-2", "east-3"}
    assert set(await pods(mesh, headers={"to": "west"})) == {"west-1"}


async def test_grpc_and_plain_connections_pass_too(mesh: Mesh) -> None:
    calls = await mesh.grpc("client", "web.shop:7000", 60)
    assert {call.code for call in calls} == {"OK"}
    assert {call.echo["version"] for call in calls} == {"west", "east"}
    lines = await mesh.tcp("client", "web.shop", 9000, ["hello"], count=40)
    assert {line.echo["pod"] for line in lines} == {"west-1", "east-1", "east-2", "east-3"}


async def test_without_its_gateway_a_network_costs_nobody_a_request(mesh: Mesh) -> None:
    gone = (mesh.ip("shop/client"), mesh.ip("doors/into-east"))
    await firewall(mesh, "-I", *gone)
    try:
        await mesh.apply(documents(destination_rule("web", **ONE_REQUEST)))
        assert set(await pods(mesh)) == {"west-1"}
    finally:
        await firewall(mesh, "-D", *gone)


async def test_what_takes_no_mutual_tls_is_no_reason_to_call_a_gateway(mesh: Mesh) -> None:
    plain = destination_rule("web", trafficPolicy={"tls": {"mode": "DISABLE"}})
    open_to_all = security("PeerAuthentication", "default", "istio-system", mtls={"mode": "PERMISSIVE"})
    await mesh.apply(documents(plain, open_to_all))
    assert set(await pods(mesh, 40)) == {"west-1"}
