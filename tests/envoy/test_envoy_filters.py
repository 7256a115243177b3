"""EnvoyFilters at real sidecars: every kind of patch does what it says, and a bad one harms nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.envoy.manifests import documents, namespace, pod, service, to, virtual_service
from xds.testing.answers import Answer
from xds.testing.mesh import Mesh

WEB: Final = "http://web"
HCM: Final = "envoy.filters.network.http_connection_manager"
ROUTER: Final = "envoy.filters.http.router"
TYPE: Final = "type.googleapis.com/envoy.extensions."
AT_ROUTER: Final = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": ROUTER}}}}
LISTENERS_CHANGED: Final = "listener_manager.listener_(modified|in_place_updated|added|removed)"
Patch = dict[str, Any]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(namespace("shop"), pod("client"), pod("web-v1"), pod("other"), service("web"), service("other"))


def envoy_filter(name: str, *patches: Patch, app: str = "", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """An EnvoyFilter on the pods of an app."""
    selector = {"workloadSelector": {"labels": {"app": app}}} if app else {}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**selector, "configPatches": list(patches), **spec},
    }


def patch(to_what: str, operation: str, value: Any = None, context: str = "ANY", **match: Any) -> Patch:
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": to_what, "match": {"context": context, **match}, "patch": change}


def lua(name: str, script: str) -> dict[str, Any]:
    typed = {"@type": TYPE + "filters.http.lua.v3.Lua", "default_source_code": {"inline_string": script}}
    return {"name": name, "typed_config": typed}


def saying(word: str) -> str:
    return f"function envoy_on_response(h) h:headers():add('x-said', '{word}') end"


def manager(**fields: Any) -> dict[str, Any]:
    typed = {"@type": TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager", **fields}
    return {"name": HCM, "typed_config": typed}


async def until(mesh: Mesh, what: str, holds: Callable[[Answer], bool], url: str = WEB, **how: Any) -> None:
    """Ask until an answer is as wanted: connections that are open stay on the filters that they began with (5 s)."""

    async def asked() -> bool:
        return holds(await mesh.get("client", url, **how))

    await mesh.until(asked, what)


async def until_clean(mesh: Mesh) -> None:
    """Until nothing of the test before is met any more."""
    await until(mesh, "no patch is in force", lambda answer: answer.status == 200 and "x-said" not in answer.headers)


INBOUND_LUA: Final = patch(
    "HTTP_FILTER",
    "INSERT_BEFORE",
    lua("says-in", saying("in")),
    "SIDECAR_INBOUND",
    listener={"portNumber": 8080, **AT_ROUTER},
)


async def test_a_filter_inbound_and_outbound_and_its_edit_drains_nothing(mesh: Mesh) -> None:
    outbound = patch(
        "HTTP_FILTER", "INSERT_FIRST", lua("says-out", saying("out")), "SIDECAR_OUTBOUND", listener={"portNumber": 80}
    )
    await mesh.apply(documents(envoy_filter("in", INBOUND_LUA, app="web"), envoy_filter("out", outbound, app="client")))
    await until(mesh, "both filters", lambda answer: answer.headers.get("x-said") == "in, out")
    assert "x-said" in (await mesh.get("client", "http://other")).headers
    before = await mesh.stats("web-v1", LISTENERS_CHANGED)
    edited = {**INBOUND_LUA, "patch": {"operation": "INSERT_BEFORE", "value": lua("says-in", saying("edited"))}}
    await mesh.apply(documents(envoy_filter("in", edited, app="web"), envoy_filter("out", outbound, app="client")))
    assert (await mesh.get("client", WEB)).headers["x-said"] == "edited, out"
    assert await mesh.stats("web-v1", LISTENERS_CHANGED) == before
    await mesh.delete()
    await until_clean(mesh)


async def test_options_of_the_connection_manager_are_merged(mesh: Mesh) -> None:
    await until_clean(mesh)
    options = patch("NETWORK_FILTER", "MERGE", manager(server_name="patched"), "SIDECAR_OUTBOUND")
    options["match"]["listener"] = {"filterChain": {"filter": {"name": HCM}}}
    await mesh.apply(documents(envoy_filter("options", options, app="client")))
    await until(mesh, "its server name", lambda answer: (answer.status, answer.headers["server"]) == (200, "patched"))


async def test_clusters(mesh: Mesh) -> None:
    await until_clean(mesh)
    at = {"cluster": {"service": "web.shop.svc.cluster.local", "portNumber": 80}}
    await mesh.apply(
        documents(
            envoy_filter(
                "clusters",
                patch("CLUSTER", "MERGE", {"connect_timeout": "1.25s"}, "SIDECAR_OUTBOUND", **at),
                patch("CLUSTER", "ADD", {"name": "extra", "type": "STATIC", "connect_timeout": "3s"}),
                patch("CLUSTER", "REMOVE", cluster={"service": "other.shop.svc.cluster.local"}),
                app="client",
            )
        )
    )
    assert (await mesh.get("client", WEB)).status == 200
    assert (await mesh.get("client", "http://other")).status == 503
    found = await clusters(mesh, "client")
    assert found["outbound|80||web.shop.svc.cluster.local"]["connect_timeout"] == "1.250s"
    assert "extra" in found
    assert (await mesh.get("web-v1", "http://other")).status == 200


async def clusters(mesh: Mesh, name: str) -> dict[str, Any]:
    dump = await mesh.config_dump(name)
    return {
        each["cluster"]["name"]: each["cluster"]
        for part in dump["configs"]
        for each in part.get("dynamic_active_clusters", ())
    }


async def test_a_local_rate_limit(mesh: Mesh) -> None:
    await until_clean(mesh)
    limit = {
        "@type": TYPE + "filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "3600s"},
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "filter_enforced": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
    }
    name = "envoy.filters.http.local_ratelimit"
    limited = patch(
        "HTTP_FILTER", "INSERT_BEFORE", {"name": name, "typed_config": limit}, "SIDECAR_INBOUND", listener=AT_ROUTER
    )
    await mesh.apply(documents(envoy_filter("limit", limited, app="web")))
    await until(mesh, "too many requests", lambda answer: answer.status == 429)


async def test_routes_and_virtual_hosts(mesh: Mesh) -> None:
    await until_clean(mesh)
    host = {"vhost": {"name": "web.shop.svc.cluster.local:80"}}
    named = {"vhost": {"name": "web.shop.svc.cluster.local:80", "route": {"name": "slow"}}}
    added = [{"header": {"key": "x-patched", "value": "yes"}}]
    first = {"match": {"path": "/first"}, "direct_response": {"status": 418}}
    new = {
        "name": "new",
        "domains": ["new.example.com"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 201}}],
    }
    await mesh.apply(
        documents(
            virtual_service("web", {"name": "slow", "route": [to("web")], "timeout": "10s"}),
            envoy_filter(
                "routes",
                patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "0.2s"}}, routeConfiguration=named),
                patch("VIRTUAL_HOST", "MERGE", {"response_headers_to_add": added}, routeConfiguration=host),
                patch("HTTP_ROUTE", "INSERT_FIRST", first, routeConfiguration=host),
                patch("VIRTUAL_HOST", "ADD", new, "SIDECAR_OUTBOUND", routeConfiguration={"name": "80"}),
                patch(
                    "ROUTE_CONFIGURATION",
                    "MERGE",
                    {"response_headers_to_add": [{"header": {"key": "x-table", "value": "80"}}]},
                    "SIDECAR_OUTBOUND",
                    routeConfiguration={"portNumber": 80},
                ),
                app="client",
            ),
        )
    )
    answer = await mesh.get("client", WEB)
    assert (answer.status, answer.headers["x-patched"], answer.headers["x-table"]) == (200, "yes", "80")
    assert (await mesh.get("client", f"{WEB}/?delay=2s")).status == 504
    assert (await mesh.get("client", f"{WEB}/first")).status == 418
    assert (await mesh.get("client", WEB, headers={"Host": "new.example.com"})).status == 201
    assert "x-patched" not in (await mesh.get("client", "http://other")).headers


async def test_a_filter_is_removed(mesh: Mesh) -> None:
    await until_clean(mesh)
    fault = {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}
    away = patch("HTTP_FILTER", "REMOVE", context="SIDECAR_OUTBOUND")
    subfilter = {"name": "envoy.filters.http.fault"}
    away["match"]["listener"] = {"filterChain": {"filter": {"name": HCM, "subFilter": subfilter}}}
    aborting = virtual_service("web", {"route": [to("web")], "fault": fault})
    await mesh.apply(documents(aborting))
    assert (await mesh.get("client", WEB)).status == 418
    await mesh.apply(documents(aborting, envoy_filter("away", away, app="client")))
    await until(mesh, "no abort", lambda answer: answer.status == 200)


async def test_a_listener_and_a_chain_of_network_filters(mesh: Mesh) -> None:
    await until_clean(mesh)
    answering = {
        "name": "extra",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 9999}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "answer",
                        "typed_config": {
                            "@type": TYPE + "filters.network.direct_response.v3.Config",
                            "response": {"inline_string": "patched"},
                        },
                    }
                ]
            }
        ],
    }
    refusing = {
        "name": "refuse",
        "typed_config": {
            "@type": TYPE + "filters.network.rbac.v3.RBAC",
            "stat_prefix": "refuse.",
            "rules": {
                "action": "DENY",
                "policies": {"all": {"permissions": [{"any": True}], "principals": [{"any": True}]}},
            },
        },
    }
    chain = {"portNumber": 8080, "filterChain": {"filter": {"name": HCM}}}
    await mesh.apply(
        documents(
            envoy_filter("listener", patch("LISTENER", "ADD", answering), app="client"),
            envoy_filter(
                "network",
                patch("NETWORK_FILTER", "INSERT_FIRST", refusing, "SIDECAR_INBOUND", listener=chain),
                app="web",
            ),
        )
    )
    await until(mesh, "a refusal", lambda answer: answer.status == 503)
    found = await mesh.config_dump("client")
    names = [each["name"] for part in found["configs"] for each in part.get("dynamic_listeners", ())]
    assert "extra" in names


BAD: Final = (
    patch("HTTP_FILTER", "INSERT_BEFORE", {"name": "x", "typed_config": {"@type": TYPE + "nowhere.Filter"}}),
    patch("HTTP_FILTER", "INSERT_BEFORE", {"name": "x", "typed_conf": {}}),
    patch("CLUSTER", "MERGE", {"connect_timeout": "soon"}),
    patch(
        "NETWORK_FILTER", "INSERT_AFTER", manager(stat_prefix="x"), listener={"filterChain": {"filter": {"name": HCM}}}
    ),
    patch("HTTP_FILTER", "REMOVE"),
)


async def test_bad_ones_harm_nobody(mesh: Mesh) -> None:
    await until_clean(mesh)
    await mesh.apply(documents(*(envoy_filter(f"bad-{index}", each) for index, each in enumerate(BAD))))
    assert (await mesh.get("client", WEB)).status == 200

    async def told() -> bool:
        authors = {problem.at.object.name for problem in mesh.problems}
        return authors >= {f"bad-{index}" for index in range(len(BAD))}

    await mesh.until(told, "every bad patch is a problem")


async def test_what_envoy_refuses_is_passed_by(mesh: Mesh) -> None:
    """A script that does not compile is known to Envoy alone; the listener goes on without it."""
    await until_clean(mesh)
    broken = patch("HTTP_FILTER", "INSERT_BEFORE", lua("broken", "function ("), "SIDECAR_INBOUND", listener=AT_ROUTER)
    await mesh.apply(documents(envoy_filter("broken", broken, app="web")))
    assert {each.type for each in mesh.take_rejections()} <= {"ecds"}
    assert (await mesh.get("client", WEB)).status == 200
