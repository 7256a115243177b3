"""Gateways over HTTP: which requests reach what, as real Envoys do it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    gateway,
    mesh_config,
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
from xds.testing.answers import Answer
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
PLAIN = gateway("front", server(80, "HTTP", "*"))


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("other"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web-v1"),
        pod("web-v2"),
        service("web"),
        destination_rule("web", subsets=subsets("v1", "v2")),
        *router("edge", "ingress", {"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443},
                type="LoadBalancer"),
    )  # fmt: skip


def bound(*http: Manifest, hosts: list[str] | None = None, name: str = "site", **more: Any) -> Manifest:
    """A VirtualService on the gateway ``front``."""
    wanted = {"hosts": hosts or ["site.test"], "gateways": ["front"], **more}
    return virtual_service("site.test", *(http or ({"route": [to("web")]},)), name=name, **wanted)


async def ask(mesh: Mesh, host: str = "site.test", path: str = "/", **headers: str) -> Answer:
    """The answer to somebody outside of the mesh."""
    where = f"http://{mesh.ip('ingress/edge')}:8080{path}"
    return await mesh.get(OUTSIDE, where, headers={"host": host, **headers})


async def test_a_host_is_served_and_others_are_not(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound()))
    assert (await ask(mesh)).status == 200
    assert (await ask(mesh, "other.test")).status == 404


async def version(mesh: Mesh, host: str = "site.test", path: str = "/", **headers: str) -> str:
    answer = await ask(mesh, host, path, **headers)
    assert answer.status == 200, answer
    return str(answer.echo["version"])


async def test_wildcards_and_the_narrower_host(mesh: Mesh) -> None:
    wide = bound({"route": [to("web", "v1")]}, hosts=["*.site.test"], name="wide")
    await mesh.apply(documents(PLAIN, wide, bound({"route": [to("web", "v2")]}, hosts=["a.site.test"])))
    assert await version(mesh, "b.site.test") == "v1"
    assert await version(mesh, "a.site.test") == "v2"
    assert (await ask(mesh, "site.test")).status == 404


async def test_routes_of_several_virtual_services_are_joined_and_catch_alls_come_last(mesh: Mesh) -> None:
    every = bound({"route": [to("web", "v1")]}, name="a-every")
    some = bound({"match": [{"uri": {"prefix": "/new"}}], "route": [to("web", "v2")]}, name="b-some")
    await mesh.apply(documents(PLAIN, every, some))
    assert await version(mesh) == "v1"
    assert await version(mesh, path="/new") == "v2"


async def test_matches_name_their_gateways_and_ports(mesh: Mesh) -> None:
    routes = (
        {"match": [{"gateways": ["mesh"], "uri": {"prefix": "/"}}], "directResponse": {"status": 410}},
        {"match": [{"gateways": ["shop/front"], "port": 443}], "directResponse": {"status": 411}},
        {"match": [{"gateways": ["front"], "port": 80, "uri": {"prefix": "/v2"}}], "route": [to("web", "v2")]},
        {"match": [{"sourceLabels": {"istio": "none"}}], "directResponse": {"status": 412}},
        {"match": [{"sourceLabels": {"istio": "edge"}, "uri": {"prefix": "/edge"}}], "route": [to("web", "v2")]},
        {"route": [to("web", "v1")]},
    )
    await mesh.apply(documents(PLAIN, bound(*routes, gateways=["front", "mesh"])))
    assert await version(mesh) == "v1"
    assert await version(mesh, path="/v2") == "v2"
    assert await version(mesh, path="/edge") == "v2"


async def test_a_host_without_a_match_that_holds_is_left_to_the_wildcard(mesh: Mesh) -> None:
    wide = bound({"route": [to("web", "v1")]}, hosts=["*.site.test"], name="wide")
    narrow = {"match": [{"gateways": ["mesh"]}], "route": [to("web", "v2")]}
    kept = (PLAIN, wide)
    await mesh.apply(documents(*kept, bound(narrow, hosts=["a.site.test"], gateways=["front", "mesh"])))
    assert await version(mesh, "a.site.test") == "v1"
    narrow["match"] = [{"gateways": ["front"]}]
    await mesh.apply(documents(*kept, bound(narrow, hosts=["a.site.test"], gateways=["front", "mesh"])))
    assert await version(mesh, "a.site.test") == "v2"


async def test_servers_take_virtual_services_of_the_namespaces_that_they_name(mesh: Mesh) -> None:
    doors = gateway("front", server(80, "HTTP", "other/*.test"))
    here = bound(hosts=["here.test"], name="here")
    there = virtual_service("there.test", {"route": [to("web.shop.svc.cluster.local")]}, namespace="other",
                            gateways=["shop/front"])  # fmt: skip
    hidden = virtual_service("hidden.test", {"route": [to("web.shop.svc.cluster.local")]}, namespace="other",
                             gateways=["shop/front"], exportTo=["."])  # fmt: skip
    await mesh.apply(documents(doors, here, there, hidden))
    assert (await ask(mesh, "there.test")).status == 200
    assert (await ask(mesh, "here.test")).status == 404
    assert (await ask(mesh, "hidden.test")).status == 404


async def test_a_delegate_says_the_details(mesh: Mesh) -> None:
    root = bound({"match": [{"uri": {"prefix": "/app"}}], "delegate": {"name": "details"}})
    details = virtual_service("details", {"route": [to("web", "v2")]}, name="details", hosts=[])
    await mesh.apply(documents(PLAIN, root, details))
    assert await version(mesh, path="/app/x") == "v2"
    assert (await ask(mesh, path="/")).status == 404


async def test_plain_requests_are_sent_to_https(mesh: Mesh) -> None:
    doors = gateway("front", server(80, "HTTP", "site.test", tls={"httpsRedirect": True}),
                    server(80, "HTTP", "plain.test", name="plain"))  # fmt: skip
    await mesh.apply(documents(doors, bound(hosts=["site.test", "plain.test"])))
    answer = await ask(mesh, path="/a?b=c")
    assert (answer.status, answer.headers["location"]) == (301, "https://site.test/a?b=c")
    assert (await ask(mesh, "plain.test")).status == 200


async def test_gateways_of_two_namespaces_share_a_port(mesh: Mesh) -> None:
    mine = gateway("front", server(80, "HTTP", "mine.test"))
    theirs = gateway("back", server(80, "HTTP", "theirs.test"), namespace="other")
    other = virtual_service("theirs.test", {"route": [to("web.shop.svc.cluster.local")]}, namespace="other",
                            gateways=["back"])  # fmt: skip
    await mesh.apply(documents(mine, theirs, bound(hosts=["mine.test"]), other))
    assert (await ask(mesh, "mine.test")).status == 200
    assert (await ask(mesh, "theirs.test")).status == 200


async def test_a_server_of_another_kind_on_a_taken_port_is_said(mesh: Mesh) -> None:
    late = gateway("late", server(80, "TCP", "*", name="tcp"))
    await mesh.apply(documents(PLAIN, late, bound()))
    assert (await ask(mesh)).status == 200

    async def said() -> bool:
        return any(problem.code == "gateway.port-conflict" for problem in mesh.problems)

    await mesh.until(said, "the conflict is found")


async def test_the_clients_address_is_seen_and_hops_are_trusted_as_configured(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound()))
    own = mesh.ip(OUTSIDE)
    plain = await ask(mesh, **{"x-forwarded-for": "1.2.3.4"})
    assert plain.seen["x-forwarded-for"] == f"1.2.3.4,{own}"
    assert plain.seen["x-envoy-external-address"] == own if "x-envoy-external-address" in plain.seen else True
    topology = {"gatewayTopology": {"numTrustedProxies": 1}}
    await mesh.apply(documents(PLAIN, bound(), mesh_config(defaultConfig=topology)))
    trusted = await ask(mesh, **{"x-forwarded-for": "1.2.3.4"})
    assert trusted.seen["x-envoy-external-address"] == "1.2.3.4"


async def test_an_edit_cuts_no_stream_and_no_websocket(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound({"route": [to("web", "v1")]})))
    where = f"http://{mesh.ip('ingress/edge')}:8080/"
    how: Any = {"headers": {"host": "site.test"}, "timeout_s": 20.0}
    slow = asyncio.create_task(mesh.get(OUTSIDE, f"{where}?delay=3s", **how))
    async with mesh.load(OUTSIDE, where, 50, headers={"host": "site.test"}) as load:

        async def begun() -> bool:
            return len(load.answers) > 5

        await mesh.until(begun, "requests are under way")
        await mesh.apply(documents(PLAIN, bound({"route": [to("web", "v2")]})))
        await mesh.apply(documents(PLAIN, bound({"match": [{"uri": {"prefix": "/"}}], "route": [to("web", "v2")]})))
    assert (await slow).status == 200
    assert not load.failed
    assert load.connections == 1


async def test_websockets(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound(hosts=["*"])))
    reply = await mesh.websocket(OUTSIDE, f"ws://{mesh.ip('ingress/edge')}:8080/", ["one", "two"])
    assert not reply.error, reply
    assert reply.messages[-2:] == ("one", "two")


async def test_policies_hold_for_routers(mesh: Mesh) -> None:
    deny = security("AuthorizationPolicy", "no-admin", "ingress", action="DENY",
                    selector={"matchLabels": {"istio": "edge"}},
                    rules=[{"to": [{"operation": {"paths": ["/admin*"]}}]}])  # fmt: skip
    await mesh.apply(documents(PLAIN, bound(), deny))
    assert (await ask(mesh, path="/admin")).status == 403
    assert (await ask(mesh)).status == 200


async def test_calls_are_by_the_routers_identity(mesh: Mesh) -> None:
    strict = security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})
    allow = security("AuthorizationPolicy", "from-edge", selector={"matchLabels": {"app": "web"}}, rules=[
        {"from": [{"source": {"namespaces": ["ingress"]}}]}])  # fmt: skip
    await mesh.apply(documents(PLAIN, bound(), strict, allow))
    assert (await ask(mesh)).status == 200


async def test_headless_services_are_reached(mesh: Mesh) -> None:
    headless = service("bare", clusterIP="None", selector={"app": "web"})
    target = bound({"route": [to("bare")]})
    headless["spec"]["ports"] = [{"name": "http", "port": 8080}]
    await mesh.apply(documents(PLAIN, headless, target))
    assert (await ask(mesh)).status == 200


async def test_an_unknown_destination_is_503_and_costs_nobody_else(mesh: Mesh) -> None:
    lost = bound({"route": [to("nowhere")]}, hosts=["lost.test"], name="lost")
    await mesh.apply(documents(PLAIN, lost, bound()))
    assert (await ask(mesh, "lost.test")).status == 503
    assert (await ask(mesh)).status == 200


async def test_a_gateway_that_goes_is_gone(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound()))
    assert (await ask(mesh)).status == 200
    await mesh.apply(documents(bound()))
    assert (await ask(mesh)).error


async def test_a_load_balancer_is_a_port_of_this_machine(mesh: Mesh) -> None:
    await mesh.apply(documents(PLAIN, bound()))
    found = {str(port): address for port, address in mesh.local.host_ports.items()}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{found['ingress/edge:80']}/", headers={"host": "site.test"})
    assert (answer.status_code, answer.json()["pod"][:3]) == (200, "web")


async def test_grpc(mesh: Mesh) -> None:
    calls = pod("calls", ports="grpc:9000")
    port = {"name": "grpc", "port": 9000}
    routed = bound({"route": [to("calls")]}, hosts=["*"])
    await mesh.apply(documents(PLAIN, calls, service("calls", port), routed))
    reply = (await mesh.grpc(OUTSIDE, f"{mesh.ip('ingress/edge')}:8080", data="hello"))[0]
    assert reply.code == "OK", reply


async def test_an_external_authorizer_is_asked_by_the_router(mesh: Mesh) -> None:
    # The echo server answers 200 to whatever it is asked, unless the path tells it to answer otherwise.
    asked = {"service": "web.shop.svc.cluster.local", "port": 80, "pathPrefix": "/?status=403&x="}
    provider = {"extensionProviders": [{"name": "judge", "envoyExtAuthzHttp": asked}]}
    custom = security("AuthorizationPolicy", "judged", "ingress", action="CUSTOM", provider={"name": "judge"},
                      selector={"matchLabels": {"istio": "edge"}},
                      rules=[{"to": [{"operation": {"paths": ["/judged"]}}]}])  # fmt: skip
    routed = bound({"route": [to("web")]})
    await mesh.apply(documents(PLAIN, routed, custom, mesh_config(**provider)))
    assert (await ask(mesh)).status == 200
    assert (await ask(mesh, path="/judged")).status == 403


async def test_a_router_that_ends_answers_what_it_was_asked(mesh: Mesh) -> None:
    extra = router("leaving", "ingress", {"name": "http", "port": 80})
    extra[0]["spec"]["terminationGracePeriodSeconds"] = 10
    doors = gateway("leaving", server(80, "HTTP", "*"), router="leaving")
    routed = bound(gateways=["leaving"])
    await mesh.apply(documents(*extra, doors, routed))
    where = f"http://{mesh.ip('ingress/leaving')}:80/?delay=2s"
    slow = asyncio.create_task(mesh.get(OUTSIDE, where, headers={"host": "site.test"}, timeout_s=20.0))

    async def asked() -> bool:
        found = await mesh.stats("ingress/leaving", "http.outbound_.*downstream_rq_active")
        return sum(found.values()) > 0

    await mesh.until(asked, "the request is under way")
    await mesh.apply(documents(doors, routed))
    assert (await slow).status == 200
