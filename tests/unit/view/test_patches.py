"""Whose proxies an EnvoyFilter changes, and which of their resources; nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire import codec
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import short

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.0.0.2, selector: {app: db}, ports: [{name: tcp, port: 3306}]}
"""
WEB = Proxy("web", namespace="shop", name="web-1", labels=labels({"app": "web"}), version="1.40.0")
DB = Proxy("db", namespace="shop", name="db-1", labels=labels({"app": "db"}))
FAR = Proxy("far", namespace="far", name="far-1")
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
Plain = dict[str, Any]


def patch(to: str, operation: str, value: Plain | None = None, **match: Any) -> Plain:
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": to, "match": match, "patch": change}


def envoy_filter(*patches: Plain, name: str = "f", namespace: str = "shop", **spec: Any) -> Plain:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"configPatches": list(patches), **spec},
    }


class World:
    """Three connected proxies, and what each is sent."""

    def __init__(self, *filters: Plain) -> None:
        self.builder = Builder()
        world = [made(each) for each in yaml.safe_load_all(WORLD)]
        applied(self.builder, [*world, *map(made, filters)])
        self.pipeline = Pipeline(self.builder.snapshot)
        self.sets = {proxy: at_once(self.pipeline.connect(proxy)) for proxy in (WEB, DB, FAR)}

    def apply(self, *filters: Plain) -> Mapping[Proxy, ResourceSet]:
        changed = at_once(self.pipeline.advance(applied(self.builder, map(made, filters))))
        self.sets |= changed
        return changed

    def patched(self, proxy: Proxy) -> list[str]:
        """The resources of a proxy that some EnvoyFilter has touched, by type and name."""
        return sorted(
            f"{short(each.type_url)} {each.name}"
            for each in resources(self.sets[proxy]).values()
            if any(ref.kind == "EnvoyFilter" for ref in each.provenance)
        )

    def plain(self, proxy: Proxy, name: str) -> Plain:
        """One resource of a proxy, as ``cds name``."""
        found = resources(self.sets[proxy])[name]
        return codec.to_plain((found.type_url, found.body))


def resources(found: ResourceSet) -> dict[str, Resource]:
    return {
        f"{short(url)} {name}": resource
        for url, layers in found.layers.items()
        for table in layers
        for name, resource in table.items()
    }


TIMEOUT = {"connect_timeout": "1s"}
OUT = "cds outbound|80||web.shop.svc.cluster.local"


def test_only_the_selected_and_only_what_is_meant() -> None:
    meant = patch("CLUSTER", "MERGE", TIMEOUT, cluster={"service": "web.shop.svc.cluster.local", "portNumber": 80})
    world = World(envoy_filter(meant, workloadSelector={"labels": {"app": "web"}}))
    assert world.patched(WEB) == [OUT]
    assert world.plain(WEB, OUT)["connect_timeout"] == "1s"
    assert world.patched(DB) == world.patched(FAR) == []
    assert world.plain(DB, OUT)["connect_timeout"] == "10s"


def test_the_root_namespaces_is_for_all_and_comes_first() -> None:
    def said(seconds: int) -> Plain:
        return patch("CLUSTER", "MERGE", {"connect_timeout": f"{seconds}s"}, cluster={"name": OUT[4:]})

    world = World(
        envoy_filter(said(1), name="own"),
        envoy_filter(said(2), name="root", namespace="istio-system"),
        envoy_filter(said(3), name="early", priority=-1),
    )
    assert [world.plain(each, OUT)["connect_timeout"] for each in (WEB, FAR)] == ["1s", "2s"]


def test_an_edit_is_for_the_selected_alone_and_its_removal_leaves_nothing() -> None:
    world = World()
    before = dict(world.sets)
    to_web: Plain = {"workloadSelector": {"labels": {"app": "web"}}}
    assert world.apply(envoy_filter(patch("CLUSTER", "MERGE", TIMEOUT), **to_web)).keys() == {WEB}
    assert world.apply(envoy_filter(patch("CLUSTER", "MERGE", {"connect_timeout": "2s"}), **to_web)).keys() == {WEB}
    gone = made(envoy_filter()).ref
    world.sets |= at_once(world.pipeline.advance(applied(world.builder, [], [gone])))
    assert resources(world.sets[WEB]).keys() == resources(before[WEB]).keys()
    assert world.patched(WEB) == []


def test_resources_are_added_and_removed() -> None:
    world = World(
        envoy_filter(
            patch("CLUSTER", "ADD", {"name": "extra"}),
            patch("LISTENER", "ADD", {"name": "extra"}),
            patch("EXTENSION_CONFIG", "ADD", {"name": "extra", "typed_config": {"@type": LUA}}),
            patch("CLUSTER", "REMOVE", cluster={"service": "db.shop.svc.cluster.local"}),
            patch("LISTENER", "REMOVE", context="SIDECAR_OUTBOUND", listener={"portNumber": 3306}),
            patch("VIRTUAL_HOST", "REMOVE", routeConfiguration={"vhost": {"name": "web.shop.svc.cluster.local:80"}}),
            workloadSelector={"labels": {"app": "web"}},
        )
    )
    mine, others = resources(world.sets[WEB]), resources(world.sets[DB])
    inbound = {"cds inbound|8080||", "rds inbound|8080||"}
    assert {"cds extra", "lds extra", "ecds extra"} == mine.keys() - others.keys() - inbound
    assert {
        "cds outbound|3306||db.shop.svc.cluster.local",
        "lds 10.0.0.2_3306",
        "vhds 80/web.shop.svc.cluster.local:80",
    } <= others.keys() - mine.keys()


def test_by_context_port_and_name() -> None:
    def touched(to: str, context: str, value: Plain, **match: Any) -> list[str]:
        return World(envoy_filter(patch(to, "MERGE", value, context=context, **match))).patched(WEB)

    backlog = {"tcp_backlog_size": 5}
    assert touched("LISTENER", "SIDECAR_INBOUND", backlog) == ["lds virtualInbound"]
    assert touched("LISTENER", "SIDECAR_OUTBOUND", backlog, listener={"portNumber": 80}) == ["lds 0.0.0.0_80"]
    assert touched("LISTENER", "ANY", backlog, listener={"name": "virtualOutbound"}) == ["lds virtualOutbound"]
    assert touched("LISTENER", "GATEWAY", backlog) == []
    assert touched("CLUSTER", "SIDECAR_INBOUND", TIMEOUT, cluster={"portNumber": 8080}) == ["cds inbound|8080||"]
    of_web = {"service": "web.shop.svc.cluster.local"}
    assert touched("CLUSTER", "SIDECAR_INBOUND", TIMEOUT, cluster=of_web) == ["cds inbound|8080||"]
    table = {"most_specific_header_mutations_wins": True}
    assert touched("ROUTE_CONFIGURATION", "SIDECAR_OUTBOUND", table, routeConfiguration={"portNumber": 80}) == [
        "rds 80"
    ]
    assert touched("VIRTUAL_HOST", "SIDECAR_INBOUND", {"include_request_attempt_count": True}) == ["rds inbound|8080||"]


def test_the_content_of_an_inserted_filter_comes_apart_from_its_listener() -> None:
    def inserted(code: str, name: str = "lua", context: str = "SIDECAR_INBOUND") -> Plain:
        value = {"name": name, "typed_config": {"@type": LUA, "inline_code": code}}
        return patch("HTTP_FILTER", "INSERT_FIRST", value, context=context)

    world = World(envoy_filter(inserted("a")))
    assert world.patched(WEB) == ["ecds lua", "lds virtualInbound"]
    listener = world.plain(WEB, "lds virtualInbound")
    world.apply(envoy_filter(inserted("b")))
    assert world.plain(WEB, "lds virtualInbound") == listener
    assert world.plain(WEB, "ecds lua")["typed_config"]["inline_code"] == "b"
    # Two of a name cannot both have it.
    world.apply(envoy_filter(inserted("a"), inserted("b", context="SIDECAR_OUTBOUND")))
    assert "ecds lua" not in world.patched(WEB)


def test_a_tcp_proxy_is_merged_though_its_content_comes_apart() -> None:
    typed = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "idle_timeout": "7s",
    }
    by_name = {"listener": {"filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}}}
    value = {"name": "envoy.filters.network.tcp_proxy", "typed_config": typed}
    merged = patch("NETWORK_FILTER", "MERGE", value, context="SIDECAR_OUTBOUND", **by_name)
    world = World(envoy_filter(merged, workloadSelector={"labels": {"app": "web"}}))
    assert any(
        world.plain(WEB, name)["typed_config"].get("idle_timeout") == "7s"
        for name in world.patched(WEB)
        if name.startswith("ecds ")
    )
    assert world.patched(DB) == []


def test_a_pod_is_told_apart_by_its_name_and_version() -> None:
    def mine(**proxy: Any) -> list[str]:
        return World(envoy_filter(patch("CLUSTER", "MERGE", TIMEOUT, cluster={"name": OUT[4:]}, proxy=proxy))).patched(
            WEB
        )

    assert mine(metadata={"NAME": "web-1"}) == mine(proxyVersion=r"^1\.4") == [OUT]
    assert mine(metadata={"NAME": "web-2"}) == mine(proxyVersion=r"^1\.3") == []


def test_a_proxy_has_so_many_patches_and_no_more() -> None:
    def many(count: int, name: str, **more: Any) -> Plain:
        said = patch("CLUSTER", "MERGE", {"alt_stat_name": name}, cluster={"name": OUT[4:]})
        return envoy_filter(*[said] * count, name=name, **more)

    world = World(
        many(250, "early", priority=-1),
        many(250, "first"),
        many(20, "second"),
        many(3, "third", workloadSelector={"labels": {"app": "db"}}),
        many(7, "root", namespace="istio-system", priority=-2),
    )
    authors = {ref.name for ref in resources(world.sets[WEB])[OUT].provenance if ref.kind == "EnvoyFilter"}
    assert authors == {"root", "early", "first"}
    assert world.plain(DB, OUT)["alt_stat_name"] == "third"
    world.apply(many(1, "second"))
    assert world.plain(WEB, OUT)["alt_stat_name"] == "second"
