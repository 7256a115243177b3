"""Routes of the Gateway API whose parent is a Service, through real sidecars (GAMMA)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.gateway_api import backend, made, mesh_route, service_parent, set_header
from tests.envoy.manifests import HTTP, documents, namespace, pod, service, to, virtual_service
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh

WEB = "http://web"
OTHER_PORT = {"name": "http-other", "port": 8081, "targetPort": 8080}


def version_service(version: str) -> dict[str, Any]:
    return service(f"web-{version}", HTTP, selector={"app": "web", "version": version})


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("other"),
        pod("client"),
        pod("visitor", namespace="other"),
        pod("web-v1"),
        pod("web-v2"),
        service("web", HTTP, OTHER_PORT),
        version_service("v1"),
        version_service("v2"),
    )


TO_V1 = {"backendRefs": [backend("web-v1")]}
TO_V2 = {"backendRefs": [backend("web-v2")]}


async def version(mesh: Mesh, url: str = WEB, *, frm: str = "client", **how: Any) -> str:
    answer = await mesh.get(frm, url, **how)
    return str(answer.echo["version"]) if answer.status == 200 else str(answer.status)


async def test_by_precedence_whatever_the_order(mesh: Mesh) -> None:
    rules = [
        TO_V1,
        {"matches": [{"path": {"type": "PathPrefix", "value": "/a/"}}], **TO_V2},
        {"matches": [{"path": {"type": "Exact", "value": "/a/b"}}], **TO_V1},
        {"matches": [{"path": {"type": "RegularExpression", "value": "/r[0-9]"}, "method": "GET"}], **TO_V2},
        {"matches": [{"headers": [{"name": "X-To", "value": "v2"}]}], **TO_V2},
    ]
    await mesh.apply(documents(mesh_route("web", *rules)))
    wanted = {"/": "v1", "/a": "v2", "/a/x": "v2", "/ab": "v1", "/a/b": "v1", "/r1": "v2", "/r": "v1"}
    assert {path: await version(mesh, WEB + path) for path in wanted} == wanted
    assert await version(mesh, headers={"x-to": "v2"}) == "v2"


async def test_no_match_is_not_found_and_other_ports_stay(mesh: Mesh) -> None:
    rule = {"matches": [{"path": {"value": "/a"}}], **TO_V2}
    await mesh.apply(documents(mesh_route("web", rule, port=80)))
    assert await version(mesh, WEB + "/a") == "v2"
    assert await version(mesh, WEB + "/b") == "404"
    assert await version(mesh, "http://web:8081/b") in {"v1", "v2"}


async def test_weights_and_backends_that_are_not_there(mesh: Mesh) -> None:
    split = {"backendRefs": [backend("web-v1", 70), backend("web-v2", 30), backend("gone", 0)]}
    await mesh.apply(documents(mesh_route("web", split)))
    counted = shares(await mesh.requests("client", WEB, 400, concurrency=2))
    assert counted["v2"] in likely(400, 0.3)
    assert counted.total() == 400
    broken = {"backendRefs": [backend("web-v1"), backend("gone")]}
    await mesh.apply(documents(mesh_route("web", broken)))
    seen = {await version(mesh) for _ in range(30)}
    assert seen == {"v1", "500"}
    await mesh.apply(documents(mesh_route("web", {"backendRefs": [backend("gone")]})))
    assert await version(mesh) == "500"


async def test_consumers_beat_producers_for_their_own_namespace(mesh: Mesh) -> None:
    consumer = mesh_route("web", {"backendRefs": [backend("web-v2", namespace="shop")]}, name="c", namespace="other")
    consumer["spec"]["parentRefs"] = [service_parent("web", namespace="shop")]
    await mesh.apply(documents(mesh_route("web", TO_V1), consumer))
    assert await version(mesh) == "v1"
    assert await version(mesh, "http://web.shop", frm="visitor") == "v2"


async def test_a_route_beats_a_public_virtual_service(mesh: Mesh) -> None:
    public = virtual_service("web", {"route": [to("web-v1")]})
    await mesh.apply(documents(mesh_route("web", TO_V2), public))
    assert await version(mesh) == "v2"
    private = virtual_service("web", {"route": [to("web-v1")]}, exportTo=["."])
    await mesh.apply(documents(mesh_route("web", TO_V2), private))
    assert await version(mesh) == "v1"
    assert await version(mesh, "http://web.shop", frm="visitor") == "v2"


async def test_filters(mesh: Mesh) -> None:
    def at(path: str, *filters: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"matches": [{"path": {"value": path}}], "filters": list(filters), **more}

    def rewrite(**path: str) -> dict[str, Any]:
        kind = next(iter(path))
        return {"type": "URLRewrite", "urlRewrite": {"path": {"type": kind[0].upper() + kind[1:], **path}}}

    redirect = {"scheme": "https", "hostname": "example.org", "statusCode": 301}
    prefix = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}
    rules = [
        at("/headers", set_header("100%"), **TO_V1),
        at("/full", rewrite(replaceFullPath="/one"), **TO_V1),
        at("/strip", rewrite(replacePrefixMatch="/"), **TO_V1),
        at("/old", rewrite(replacePrefixMatch="/new/"), **TO_V1),
        at("/moved", {"type": "RequestRedirect", "requestRedirect": redirect}),
        at("/path", {"type": "RequestRedirect", "requestRedirect": {"path": prefix, "port": 8443}}),
        at("/unknown", {"type": "Sorcery"}, **TO_V1),
    ]
    await mesh.apply(documents(mesh_route("web", *rules)))
    assert (await mesh.get("client", WEB + "/headers")).headers["x-route"] == "100%"
    paths = {"/full/x": "/one", "/strip/x": "/x", "/strip": "/", "/old/x": "/new/x", "/old": "/new"}
    for path, seen in paths.items():
        assert (await mesh.get("client", WEB + path)).echo["path"] == seen, path
    moved = await mesh.get("client", WEB + "/moved/x")
    assert (moved.status, moved.headers["location"]) == (301, "https://example.org/moved/x")
    moved = await mesh.get("client", WEB + "/path/x")
    assert (moved.status, moved.headers["location"]) == (302, "http://web:8443/new/x")
    assert await version(mesh, WEB + "/unknown") == "500"


async def test_time_outs(mesh: Mesh) -> None:
    slow = {"timeouts": {"request": "10s", "backendRequest": "100ms"}, **TO_V1}
    await mesh.apply(documents(mesh_route("web", slow)))
    assert await version(mesh, WEB + "/?delay=2s") == "504"
    assert await version(mesh) == "v1"


async def test_grpc_routes(mesh: Mesh) -> None:
    rule = {"matches": [{"method": {"service": "echo.Echo"}}], **TO_V2}
    grpc = made("GRPCRoute", "calls", parentRefs=[service_parent("web")], rules=[rule])
    await mesh.apply(documents(grpc, mesh_route("web", TO_V1)))
    assert await version(mesh, WEB + "/echo.Echo/Say") == "v2"
    assert await version(mesh, WEB + "/other") == "v1"


async def test_cors(mesh: Mesh) -> None:
    def at(path: str, **cors: Any) -> dict[str, Any]:
        return {"matches": [{"path": {"value": path}}], "filters": [{"type": "CORS", "cors": cors}], **TO_V1}

    anything = {"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"]}
    some = {"allowOrigins": ["https://*.bar.com"], "allowMethods": ["GET"], "maxAge": 3600}
    await mesh.apply(
        documents(
            mesh_route("web", at("/user", **anything, allowCredentials=True), at("/any", **anything), at("/", **some))
        )
    )

    async def preflight(path: str, origin: str) -> dict[str, str]:
        asked = {"access-control-request-method": "PUT", "access-control-request-headers": "x-a, x-b"}
        answer = await mesh.get("client", WEB + path, method="OPTIONS", headers={"origin": origin, **asked})
        assert answer.status == 200
        said = {name.removeprefix("access-control-"): value for name, value in answer.headers.items()}
        return {name: said.get(name, "") for name in ("allow-origin", "allow-methods", "allow-headers", "max-age")}

    for origin in ("https://a.com", "https://a.com:12345"):
        user = await preflight("/user", origin)
        assert (user["allow-origin"], user["allow-methods"], user["allow-headers"]) == (origin, "PUT", "x-a, x-b")
    assert (await preflight("/any", "https://a.com"))["allow-origin"] in {"*", "https://a.com"}
    matched = await preflight("/", "https://x.y.bar.com")
    assert (matched["allow-origin"], matched["max-age"]) == ("https://x.y.bar.com", "3600")
    assert (await preflight("/", "https://bar.com"))["allow-origin"] == ""


async def test_tcp_and_tls_routes(mesh: Mesh) -> None:
    tcp = {"name": "tcp", "port": 9000, "targetPort": 8080}
    bytes_to = service("bytes", tcp, selector={"app": "web", "version": "v1"})
    wanted = made("TCPRoute", "bytes", parentRefs=[service_parent("bytes")], rules=[TO_V2])
    await mesh.apply(documents(bytes_to))
    assert await version(mesh, "http://bytes:9000/", keep_alive=False) == "v1"
    await mesh.apply(documents(bytes_to, wanted))
    assert await version(mesh, "http://bytes:9000/", keep_alive=False) == "v2"
    nowhere = made(
        "TCPRoute", "bytes", parentRefs=[service_parent("bytes")], rules=[{"backendRefs": [backend("gone")]}]
    )
    await mesh.apply(documents(bytes_to, nowhere))
    assert (await mesh.get("client", "http://bytes:9000/", keep_alive=False)).error


async def test_backends_come_through_a_sidecar_object_that_names_their_route_only(mesh: Mesh) -> None:
    spec = {"egress": [{"hosts": ["./web.shop.svc.cluster.local"]}], "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    metadata = {"name": "default", "namespace": "shop"}
    restricted = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": spec}
    await mesh.apply(documents(restricted, mesh_route("web", TO_V2)))
    assert await version(mesh) == "v2"


async def test_the_address_that_is_dialled_counts_before_the_host(mesh: Mesh) -> None:
    """The suite's MeshFrontendHostname, and what stays as it is."""
    routed = mesh_route("web-v2", {"filters": [set_header("yes")], **TO_V2})
    await mesh.apply(documents(routed))

    async def asked(dialled: str, host: str, **how: Any) -> tuple[str, bool]:
        answer = await mesh.get("client", f"http://{dialled}", headers={"host": host, **how})
        assert answer.echo["headers"]["host"] == host
        return str(answer.echo["version"]), "x-route" in answer.headers

    assert await asked("web-v2", "web-v2") == ("v2", True)
    assert await asked("web-v2", "web-v1") == ("v2", True)
    assert await asked("web-v2", "nobody.test") == ("v2", True)
    assert await asked("web-v1", "web-v2") == ("v1", False)
    assert await asked("web-v1", "web-v1") == ("v1", False)
    assert await asked(mesh.ip("web-v1") + ":8080", "web-v2") == ("v1", False)
    await mesh.apply("")
    assert await asked("web-v1", "web-v2") == ("v2", False)


async def test_what_no_rule_of_the_dialled_address_matches_is_not_found(mesh: Mesh) -> None:
    rule = {"matches": [{"path": {"value": "/a"}}], **TO_V2}
    await mesh.apply(documents(mesh_route("web-v2", rule)))
    assert await version(mesh, "http://web-v2/a", headers={"host": "web-v1"}) == "v2"
    assert await version(mesh, "http://web-v2/b", headers={"host": "web-v1"}) == "404"
    assert await version(mesh, "http://web-v1/b", headers={"host": "web-v2"}) == "v1"
