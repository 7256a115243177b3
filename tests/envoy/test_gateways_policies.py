"""Policies at routers: they hold for requests and connections of those routers, and of no others."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest

from tests.envoy.gateway_api import gateway_class, listener, made
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
    to,
    virtual_service,
)
from xds.audit.record import Wanted
from xds.audit.refusal import Kind, Refusal, Stage
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
API_GROUP = "gateway.networking.k8s.io"
LINES = {"name": "tcp", "port": 9000}


def door(name: str) -> list[Manifest]:
    """A router that serves a Gateway of the Gateway API, and Istio's Gateways that select its label."""
    ports = ({"name": "http", "port": 80}, {"name": "tcp", "port": 9000}, {"name": "tls", "port": 15443})
    return router(name, "ingress", *ports, labels={f"{API_GROUP}/gateway-name": name})


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web-v1"),
        service("web"),
        pod("lines", ports="tcp:9000"),
        service("lines", LINES),
        *door("edge"),
        *door("back"),
        gateway_class(),
        *(made("Gateway", name, "ingress", gatewayClassName="plait", listeners=[listener(80)]) for name in DOORS),
        *(made("HTTPRoute", name, "ingress", parentRefs=[{"name": name}], rules=[TO_WEB]) for name in DOORS),
        made("ReferenceGrant", "web", "shop", **{
            "from": [{"group": API_GROUP, "kind": "HTTPRoute", "namespace": "ingress"}],
            "to": [{"group": "", "kind": "Service"}],
        }),
    )  # fmt: skip


DOORS = ("edge", "back")
TO_WEB = {"backendRefs": [{"name": "web", "namespace": "shop", "port": 80}]}


def targeting(name: str) -> list[Manifest]:
    return [{"group": API_GROUP, "kind": "Gateway", "name": name}]


def rate_limit(*limits: Manifest, **spec: Any) -> Manifest:
    metadata = {"name": "limit", "namespace": "ingress"}
    kind = {"apiVersion": "networking.plait.dev/v1alpha1", "kind": "RateLimit"}
    return {**kind, "metadata": metadata, "spec": {"limits": list(limits), **spec}}


async def statuses(mesh: Mesh, name: str, count: int = 1, path: str = "/") -> Counter[int]:
    """What requests to a router are answered."""
    url = f"http://{mesh.ip(f'ingress/{name}')}:80{path}"
    return Counter(answer.status for answer in await mesh.requests(OUTSIDE, url, count, concurrency=1))


async def test_an_authorization_policy_of_a_gateway_holds_there_and_nowhere_else(mesh: Mesh) -> None:
    rules = [{"to": [{"operation": {"paths": ["/admin"]}}]}]
    deny = security("AuthorizationPolicy", "deny", "ingress", action="DENY", targetRefs=targeting("edge"), rules=rules)
    await mesh.apply(documents(deny))
    assert await statuses(mesh, "edge", path="/admin") == {403: 1}
    assert await statuses(mesh, "edge") == {200: 1}
    assert await statuses(mesh, "back", path="/admin") == {200: 1}
    # Who has the namespace of the Gateway says what holds there.
    deny["metadata"]["namespace"] = "shop"
    await mesh.apply(documents(deny))
    assert await statuses(mesh, "edge", path="/admin") == {200: 1}


async def test_a_rate_limit_of_a_gateway_holds_there_and_nowhere_else(mesh: Mesh) -> None:
    each = {"name": "all", "requests": 2, "period": "1h"}
    await mesh.apply(documents(rate_limit(each, targetRefs=targeting("edge"))))
    assert await statuses(mesh, "edge", 4) == {200: 2, 429: 2}
    assert await statuses(mesh, "back", 4) == {200: 4}


async def test_routers_share_what_the_fleet_shares(mesh: Mesh) -> None:
    each = {"name": "all", "requests": 4, "period": "1h"}
    await mesh.apply(documents(rate_limit(each, share="FLEET", targetRefs=targeting("edge"))))
    assert await statuses(mesh, "edge", 6) == {200: 4, 429: 2}
    await mesh.apply(documents(rate_limit(each, share="FLEET")))  # all proxies of the namespace
    for name in DOORS:
        assert await statuses(mesh, name, 6) == {200: 2, 429: 4}


# -- connections

_TALK = """
import socket, ssl, sys
host, port, sni, alpn = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if alpn:
    context.set_alpn_protocols([alpn])
try:
    with socket.create_connection((host, port), 10) as plain:
        if sni:
            with context.wrap_socket(plain, server_hostname=sni) as secure:
                print("answered", bool(secure.getpeercert(binary_form=True)))
        else:
            plain.sendall(b"hello\\n")
            heard = b""  # a greeting may come before anything is refused
            while b"hello" not in heard and (part := plain.recv(100)):
                heard += part
            print("answered" if b"hello" in heard else "closed")
except OSError as error:
    print("closed", error)
"""


async def answered(mesh: Mesh, port: int, sni: str, alpn: str) -> bool:
    """Whether a connection to the router ``edge`` comes through."""
    words = [sys.executable, "-c", _TALK, mesh.ip("ingress/edge"), str(port), sni, alpn]
    done = await mesh.local.exec(mesh.pod(OUTSIDE), words)
    assert done.returncode == 0, done.stderr
    return done.stdout.startswith("answered")


INSIDE = "outbound_.80_._.web.shop.svc.cluster.local"
TCP_DOOR = gateway("lines", server(9000, "TCP", "*"))
TO_LINES = virtual_service("*", name="lines", gateways=["lines"], tcp=[{"route": [to("lines")]}])
PASSED_DOOR = gateway("passed", server(15443, "TLS", "web.test", tls={"mode": "PASSTHROUGH"}))
PASSED = virtual_service("web.test", name="passed", gateways=["passed"], tls=[
    {"match": [{"sniHosts": ["web.test"]}], "route": [to("web")]}
])  # fmt: skip
PLAIN = destination_rule("web", trafficPolicy={"tls": {"mode": "DISABLE"}})
OPEN = gateway("open", server(15443, "TLS", "*.local", tls={"mode": "AUTO_PASSTHROUGH"}))
WAYS: dict[str, tuple[tuple[Manifest, ...], tuple[int, str, str]]] = {
    "tcp": ((TCP_DOOR, TO_LINES), (9000, "", "")),
    "passed-on": ((PASSED_DOOR, PASSED, PLAIN), (15443, "web.test", "istio")),
    "passed-on-by-itself": ((OPEN,), (15443, INSIDE, "istio")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_deny_policy_closes_connections(mesh: Mesh, way: str) -> None:
    manifests, where = WAYS[way]
    await mesh.apply(documents(*manifests))
    assert await answered(mesh, *where)
    before = mesh.up.control_plane.audit.record.number
    deny = security("AuthorizationPolicy", "closed", "ingress", action="DENY", targetRefs=targeting("edge"), rules=[
        {"from": [{"source": {"ipBlocks": [mesh.ip(OUTSIDE)]}}]}])  # fmt: skip
    await mesh.apply(documents(*manifests, deny))
    assert not await answered(mesh, *where)

    def told() -> list[Refusal]:
        found = mesh.up.control_plane.audit.record.latest(Wanted(kind=Kind.REFUSED, after=before))
        by_names = ({blame.object.name for blame in each.refusal.policies} for each in found)
        # What another test's policy has refused may be told late.
        return [each.refusal for each, names in zip(found, by_names, strict=True) if names == {"closed"}]

    async def some() -> bool:
        return bool(told())

    await mesh.until(some, "the refusal is told")
    refusal = told()[0]
    assert (refusal.stage, refusal.destination.label) == (Stage.DENY, "ingress/edge")
