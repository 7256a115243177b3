"""Gateways of the Gateway API: which requests and connections reach what, through real routers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.gateway_api import backend, gateway_class, listener, made, set_header
from tests.envoy.manifests import HTTP, Manifest, documents, namespace, pod, service
from xds.testing.answers import Answer
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
TCP = {"name": "tcp-db", "port": 9000, "targetPort": 9000}


def version_service(version: str) -> Manifest:
    return service(f"web-{version}", HTTP, selector={"app": "web", "version": version})


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    edge = pod("edge", namespace="shop", labels={"gateway.networking.k8s.io/gateway-name": "edge"}, ports="http:80",
               annotations={"inject.istio.io/templates": "gateway"})  # fmt: skip
    edge["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    return documents(
        namespace("shop"),
        namespace("far"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web-v1"),
        pod("web-v2"),
        service("web"),
        version_service("v1"),
        version_service("v2"),
        edge,
        gateway_class(),
    )


def gateway(*listeners: Manifest) -> Manifest:
    return made("Gateway", "edge", gatewayClassName="plait", listeners=list(listeners))


def route(*rules: Manifest, name: str = "site", kind: str = "HTTPRoute", **more: Any) -> Manifest:
    wanted = {"parentRefs": [{"name": "edge", "namespace": "shop"}], "rules": list(rules), **more}
    namespace = wanted.pop("namespace", "shop")
    return made(kind, name, namespace, **wanted)


TO_V1 = {"backendRefs": [backend("web-v1")]}
TO_V2 = {"backendRefs": [backend("web-v2")]}


def at(path: str, **more: Any) -> Manifest:
    return {"matches": [{"path": {"value": path}}], **more}


async def ask(mesh: Mesh, path: str = "/", host: str = "site.test", port: int = 8080) -> Answer:
    """The answer to somebody outside of the mesh."""
    return await mesh.get(OUTSIDE, f"http://{mesh.ip('shop/edge')}:{port}{path}", headers={"host": host})


async def version(mesh: Mesh, path: str = "/", host: str = "site.test") -> str:
    answer = await ask(mesh, path, host)
    return str(answer.echo["version"]) if answer.status == 200 else str(answer.status)


async def test_routes_of_several_objects_in_order(mesh: Mesh) -> None:
    first = route(at("/a", **TO_V2), TO_V1, hostnames=["site.test"])
    second = route(at("/a/b", **TO_V1), name="more", hostnames=["site.test", "other.test"])
    await mesh.apply(documents(gateway(listener(8080)), first, second))
    assert [await version(mesh, path) for path in ("/", "/a", "/ab", "/a/b")] == ["v1", "v2", "v1", "v1"]
    assert [await version(mesh, path, "other.test") for path in ("/", "/a/b")] == ["404", "v1"]
    assert await version(mesh, host="nobody.test") == "404"


async def test_listeners_keep_to_themselves(mesh: Mesh) -> None:
    listeners = (listener(8080, hostname="*.test"), listener(8080, "one", hostname="one.test"))
    wide = route(TO_V1, parentRefs=[{"name": "edge", "sectionName": "http"}])
    await mesh.apply(documents(gateway(*listeners), wide))
    assert await version(mesh, host="two.test") == "v1"
    assert await version(mesh, host="one.test") == "404"


async def test_namespaces_need_to_be_let_in(mesh: Mesh) -> None:
    there = route({"backendRefs": [backend("web-v1", namespace="shop")]}, namespace="far")
    await mesh.apply(documents(gateway(listener(8080)), there))
    assert await version(mesh) == "404"
    everybody = listener(8080, allowedRoutes={"namespaces": {"from": "All"}})
    await mesh.apply(documents(gateway(everybody), there))
    assert await version(mesh) == "500"
    source = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "far"}
    spec: Any = {"from": [source], "to": [{"group": "", "kind": "Service"}]}
    grant = made("ReferenceGrant", "web", **spec)
    await mesh.apply(documents(gateway(everybody), there, grant))
    assert await version(mesh) == "v1"


async def test_backends_that_are_not_there(mesh: Mesh) -> None:
    some = {"backendRefs": [backend("web-v1"), backend("gone")]}
    await mesh.apply(documents(gateway(listener(8080)), route(some, at("/none"))))
    assert {await version(mesh) for _ in range(30)} == {"v1", "500"}
    assert await version(mesh, "/none") == "500"


async def test_filters_of_a_share_and_redirects(mesh: Mesh) -> None:
    share = {**backend("web-v1"), "filters": [set_header("share", "request")]}
    secure = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
    rules = ({"backendRefs": [share]}, at("/secure", filters=[secure]))
    await mesh.apply(documents(gateway(listener(8080)), route(*rules)))
    assert (await ask(mesh)).seen["x-route"] == "share"
    moved = await ask(mesh, "/secure", "site.test:8080")
    assert (moved.status, moved.headers["location"]) == (302, "https://site.test:443/secure")


async def test_grpc_routes_beside_http_routes(mesh: Mesh) -> None:
    calls = route({"matches": [{"method": {"service": "echo.Echo"}}], **TO_V2}, name="calls", kind="GRPCRoute")
    await mesh.apply(documents(gateway(listener(8080)), route(TO_V1), calls))
    assert await version(mesh, "/echo.Echo/Say") == "v2"
    assert await version(mesh, "/else") == "v1"


async def test_tcp_routes(mesh: Mesh) -> None:
    wanted = gateway(listener(8081, "tcp", "TCP"))
    await mesh.apply(documents(wanted, route(TO_V2, kind="TCPRoute")))
    answer = await ask(mesh, port=8081)
    assert answer.echo["version"] == "v2"


def listener_set(name: str, *listeners: Manifest, namespace: str = "far") -> Manifest:
    return made("ListenerSet", name, namespace, parentRef={"name": "edge", "namespace": "shop"}, listeners=listeners)


async def test_listeners_that_others_add(mesh: Mesh) -> None:
    own, added = listener(8080, hostname="own.test"), listener(8080, hostname="added.test")
    taken = listener(8080, "taken", hostname="own.test")
    everybody = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    doors = gateway(own)
    site = route(TO_V1, parentRefs=[{"kind": "ListenerSet", "name": "more", "namespace": "far"}])
    wanted = (site, listener_set("more", added | everybody, taken | everybody))
    await mesh.apply(documents(doors, *wanted))
    assert await version(mesh, host="added.test") == "404"
    doors["spec"]["allowedListeners"] = {"namespaces": {"from": "All"}}
    await mesh.apply(documents(doors, *wanted))
    assert await version(mesh, host="added.test") == "v1"
    assert await version(mesh, host="own.test") == "404"  # the Gateway has it, and no route
    await mesh.apply(documents(doors, *wanted, route(TO_V2, name="own")))
    assert [await version(mesh, host=each) for each in ("own.test", "added.test")] == ["v2", "v1"]
