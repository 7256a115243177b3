"""Whose a Sidecar is, and what it costs to edit one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.service import ServiceKey
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.scope import scope
from xds.view.sidecars import imported

ISTIO = "networking.istio.io"
WEB = Proxy("p", namespace="shop", labels=labels({"app": "web", "tier": "front"}))
FAR = Proxy("q", namespace="far", labels=labels({"app": "far"}))


def sidecar(name: str, *hosts: str, namespace: str = "shop", created: int = 1, **selector: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"egress": [{"hosts": list(hosts or ("~/*",))}]}
    if selector:
        spec["workloadSelector"] = {"labels": selector}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-0{created}T00:00:00Z"}
    return {"apiVersion": f"{ISTIO}/v1", "kind": "Sidecar", "metadata": metadata, "spec": spec}


def service(name: str, namespace: str, number: int, export: str = "*") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "annotations": {"networking.istio.io/exportTo": export}}
    spec = {"clusterIP": f"10.96.0.{number}", "ports": [{"name": "http", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def entry(host: str, namespace: str) -> dict[str, Any]:
    spec = {"hosts": [host], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}
    metadata = {"name": "e", "namespace": namespace}
    return {"apiVersion": f"{ISTIO}/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


def graph_of(*plain: dict[str, Any]) -> Graph:
    return Graph(applied(Builder(), map(made, plain)).snapshot)


def chosen(*plain: dict[str, Any], proxy: Proxy = WEB) -> str | None:
    of: ObjectRef | None = graph_of(*plain).get(call(scope, proxy)).sidecar
    return f"{of.namespace}/{of.name}" if of is not None else None


ALL = sidecar("all", created=2)
ROOT = sidecar("root", namespace="istio-system", created=1)
CHOSEN = sidecar("chosen", created=3, app="web")


@pytest.mark.parametrize(
    ("given", "winner"),
    [
        ([ALL, ROOT, CHOSEN], "shop/chosen"),
        ([ALL, ROOT, sidecar("other", app="db")], "shop/all"),
        ([ALL, ROOT, sidecar("half", app="web", tier="back")], "shop/all"),
        ([ALL, ROOT, sidecar("empty", namespace="far")], "shop/all"),
        ([ROOT], "istio-system/root"),
        ([sidecar("root", namespace="istio-system", app="web")], None),
        ([CHOSEN, sidecar("older", created=1, tier="front")], "shop/older"),
        ([ALL, sidecar("older", created=1)], "shop/older"),
        ([ALL, sidecar("aaa", created=2)], "shop/aaa"),
        ([sidecar("all", "*/*")], None),  # which takes nothing away
    ],
)
def test_the_one_that_holds(given: list[dict[str, Any]], winner: str | None) -> None:
    assert chosen(*given) == winner
    assert chosen(*given, proxy=replace(WEB, kind="router")) is None


def services(*hosts: str, given: list[dict[str, Any]], home: str = "shop") -> list[str]:
    graph = graph_of(sidecar("s", *hosts), *given)
    keys: tuple[ServiceKey, ...] = graph.get(call(imported, home, ObjectRef(ISTIO, "Sidecar", "shop", "s")))
    return [f"{key.namespace}/{key.hostname.partition('.')[0]}" for key in keys]


def test_what_is_let_through() -> None:
    given = [service("a", "shop", 1), service("b", "far", 2), service("c", "far", 3, "."), service("d", "ops", 4)]
    assert services("*/*", given=given) == ["shop/a", "far/b", "ops/d"]
    assert services("./*", given=given) == ["shop/a"]
    assert services("far/*", given=given) == ["far/b"]  # what is private stays so
    assert services("far/c.far.svc.cluster.local", given=given) == []
    assert services("*/b.far.svc.cluster.local", "ops/*", given=given) == ["far/b", "ops/d"]
    assert services("*/*.far.svc.cluster.local", given=given) == ["far/b"]
    assert services("*/*", "~far/*", given=given) == ["shop/a", "ops/d"]
    assert services("~/*", given=given) == []


def test_one_namespace_a_host_name() -> None:
    given = [entry("api.example.com", "far"), entry("api.example.com", "shop"), entry("api.example.com", "ops")]
    assert services("*/api.example.com", given=given) == ["shop/api"]
    assert services("*/api.example.com", "~shop/*", given=given) == ["far/api"]
    assert services("ops/api.example.com", given=given) == ["ops/api"]
    assert services("*/*", given=given) == ["shop/api"]


def test_an_edit_is_its_own_callers_matter() -> None:
    builder = Builder()
    given = [service(f"s{number}", "shop", number) for number in range(1, 30)]
    change = applied(builder, map(made, [*given, sidecar("s", "shop/s1.shop.svc.cluster.local")]))
    pipeline = Pipeline(change.snapshot)
    for proxy in (WEB, FAR):
        at_once(pipeline.connect(proxy))
    before = pipeline.graph.made
    edited = applied(builder, [made(sidecar("s", "shop/s1.shop.svc.cluster.local", "shop/s2.shop.svc.cluster.local"))])
    changed = at_once(pipeline.advance(edited))
    assert set(changed) == {WEB}
    assert pipeline.graph.made - before < 40


def test_what_has_no_effect_is_said() -> None:
    builder = Builder()
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}}
    pod["spec"] = {"containers": []}
    given = [ALL, sidecar("older", "shop/nobody.shop.svc.cluster.local", created=1), CHOSEN, pod]
    change = applied(builder, map(made, given))
    codes = [(problem.at.object.name, problem.code) for problem in analyze(change.snapshot, builder.problems)]
    assert codes == [("all", "sidecar.twice"), ("chosen", "sidecar.nobody-selected"), ("older", "sidecar.unknown-host")]
