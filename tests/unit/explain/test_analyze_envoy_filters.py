"""EnvoyFilters that touch nothing, nobody, or cannot be applied."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import found_in
from xds.slices import at_once
from xds.view import patches
from xds.view.graph import Graph

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: []}
status: {podIP: 10.1.0.1, phase: Running}
"""
HCM = "envoy.filters.network.http_connection_manager"
ROUTER = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "envoy.filters.http.router"}}}}
LUA = {"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"}}
TIMEOUT = {"operation": "MERGE", "value": {"connect_timeout": "1s"}}


def patch(to: str, change: dict[str, Any], **match: Any) -> dict[str, Any]:
    return {"applyTo": to, "match": match, "patch": change}


def found(*written: dict[str, Any], namespace: str = "shop", more: str = "", **spec: Any) -> list[tuple[str, str]]:
    plain = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "f", "namespace": namespace},
        "spec": {"configPatches": list(written), **spec},
    }
    builder = Builder()
    applied(builder, [*map(made, yaml.safe_load_all(more + WORLD)), made(plain)])
    assert not builder.problems
    problems = at_once(found_in(Graph(builder.snapshot)))
    return [(each.code, each.at.dotted) for each in problems if each.at.object.kind == "EnvoyFilter"]


@pytest.mark.parametrize("namespace", ["shop", "istio-system"])
def test_what_works_is_no_finding(namespace: str) -> None:
    assert not found(
        patch("CLUSTER", TIMEOUT),
        patch("CLUSTER", {"operation": "ADD", "value": {"name": "extra"}}),
        patch("HTTP_FILTER", {"operation": "INSERT_BEFORE", "value": LUA}, listener=ROUTER),
        patch("CLUSTER", TIMEOUT, context="GATEWAY"),
        patch("CLUSTER", {"operation": "REMOVE"}, cluster={"portNumber": 80}),
        namespace=namespace,
    )


def test_a_patch_that_matches_nothing() -> None:
    code, field = "envoy-filter.no-match", "spec.configPatches[0].match"
    assert found(patch("CLUSTER", TIMEOUT, cluster={"portNumber": 81})) == [(code, field)]
    names_nobody = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "istio.stats"}}}}
    stats = patch("HTTP_FILTER", {"operation": "INSERT_BEFORE", "value": LUA}, listener=names_nobody)
    assert found(stats) == [(code, field)]


EDGE = """
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: shop, labels: {istio: edge}}
spec: {containers: []}
status: {podIP: 10.1.0.2, phase: Running}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {selector: {istio: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
"""


def test_gateways_are_looked_at_by_what_they_are_sent() -> None:
    code, field = "envoy-filter.no-match", "spec.configPatches[0].match"
    listener = {**ROUTER, "portNumber": 80}
    filters = {"operation": "INSERT_BEFORE", "value": LUA}
    assert not found(patch("HTTP_FILTER", filters, listener=listener, context="GATEWAY"), more=EDGE)
    elsewhere = {**ROUTER, "portNumber": 81}
    assert found(patch("HTTP_FILTER", filters, listener=elsewhere, context="GATEWAY"), more=EDGE) == [(code, field)]
    # What is for sidecars is looked for in sidecars.
    assert not found(patch("HTTP_FILTER", filters, listener=ROUTER, context="SIDECAR_INBOUND"), more=EDGE)
    selector = {"labels": {"istio": "edge"}}
    sidecars = patch("HTTP_FILTER", filters, listener={**ROUTER, "portNumber": 99}, context="SIDECAR_INBOUND")
    assert not found(sidecars, more=EDGE, workloadSelector=selector), "none of the gateway's are sidecars"


def test_a_patch_that_cannot_be_applied() -> None:
    behind = patch("HTTP_FILTER", {"operation": "INSERT_AFTER", "value": LUA}, listener=ROUTER)
    assert found(behind) == [("envoy-filter.inapplicable", "spec.configPatches[0]")]


def test_a_selector_of_nobody() -> None:
    nobody: dict[str, Any] = {"workloadSelector": {"labels": {"app": "other"}}}
    assert found(patch("CLUSTER", TIMEOUT), **nobody) == [("envoy-filter.selects-nobody", "spec.workloadSelector")]


def test_patches_that_are_too_many_for_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "_MOST", 2)
    assert not found(*[patch("CLUSTER", TIMEOUT)] * 2)
    codes = {code for code, _ in found(*[patch("CLUSTER", TIMEOUT)] * 3)}
    assert "envoy-filter.too-many" in codes
