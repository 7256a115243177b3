"""What a sidecar holds that holds only what it uses, whatever its workload calls the hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.on_demand import Asked, AskedBy, Demand, asked, asked_by
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef, Origin
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.listeners import HttpChain, ListenerSpec
from xds.view.specs.resources import Spec
from xds.view.specs.routes import RouteTable, VirtualHostSpec

LAZY = {"plait.dev/outbound": "on-demand"}
PROXY = Proxy("p", namespace="shop", name="p", labels=labels({"app": "web", **LAZY}), identity=Identity.ADS)
BY = AskedBy("shop", "default", "web")
ISTIO = "networking.istio.io/v1"


def given(*more: dict[str, Any]) -> list[dict[str, Any]]:
    http = {"name": "http", "port": 80}
    services = [
        ("reviews", "shop", {"clusterIP": "10.96.0.1", "ports": [http]}),
        ("stock", "ops", {"clusterIP": "10.96.0.2", "ports": [http, {"name": "http-alt", "port": 8080}]}),
        ("pods", "shop", {"clusterIP": "None", "ports": [http]}),
        ("db", "shop", {"clusterIP": "10.96.0.4", "ports": [{"name": "tcp", "port": 5432}]}),
    ]
    found = [_service(*each) for each in services]
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    wide = {"hosts": ["*.example.com"], "ports": ports, "resolution": "NONE"}
    found.append(
        {"apiVersion": ISTIO, "kind": "ServiceEntry", "metadata": {"name": "w", "namespace": "ops"}, "spec": wide}
    )
    return [*found, *more]


def _service(name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def demand(*hosts: Asked, everything: bool = False) -> Object[Any]:
    found = Demand(BY, tuple(sorted(hosts)), everything)
    return Object(ObjectRef("demand.plait", "Demand", "shop", "default/web"), found, Origin("test"))


def sent(*hosts: Asked, proxy: Proxy = PROXY, everything: bool = False, more: Any = ()) -> list[Spec]:
    change = applied(Builder(), [*map(made, given(*more)), demand(*hosts, everything=everything)])
    graph = Graph(change.snapshot)
    return [
        spec
        for root in graph.get(call(proxy_view, proxy))
        for group in graph.get(root)
        for leaf in graph.get(group)
        for spec in graph.get(leaf)
    ]


def clusters(specs: list[Spec]) -> set[str]:
    names = (spec.name for spec in specs if isinstance(spec, ClusterSpec))
    return {name.removeprefix("outbound|").partition(".")[0] for name in names if name.startswith("outbound|")}


def hosts(specs: list[Spec]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Domains and where the first route leads, by name."""
    return {
        spec.name: (spec.domains, spec.routes[0].clusters[0].cluster if spec.routes[0].clusters else "")
        for spec in specs
        if isinstance(spec, VirtualHostSpec)
    }


def test_nothing_but_what_cannot_be_asked_for() -> None:
    specs = sent()
    assert clusters(specs) == {"5432||db"}
    assert hosts(specs) == {}
    tables = [spec for spec in specs if isinstance(spec, RouteTable)]
    assert [(table.name, table.virtual_hosts, table.vhds) for table in tables] == [("80", (), True), ("8080", (), True)]
    names = {spec.name for spec in specs if isinstance(spec, ListenerSpec)}
    assert {"0.0.0.0_80", "0.0.0.0_8080", "10.96.0.4_5432"} <= names
    chains = [chain.content for spec in specs if isinstance(spec, ListenerSpec) for chain in spec.chains]
    assert {content.on_demand for content in chains if isinstance(content, HttpChain) and content.outbound} == {True}


@pytest.mark.parametrize(
    ("port", "host", "led_to"),
    [
        (80, "reviews", "outbound|80||reviews.shop.svc.cluster.local"),
        (80, "reviews.shop", "outbound|80||reviews.shop.svc.cluster.local"),
        (80, "reviews.shop.svc", "outbound|80||reviews.shop.svc.cluster.local"),
        (80, "reviews.shop.svc.cluster.local.", "outbound|80||reviews.shop.svc.cluster.local"),
        (80, "10.96.0.1", "outbound|80||reviews.shop.svc.cluster.local"),
        (8080, "stock.ops", "outbound|8080||stock.ops.svc.cluster.local"),
        (80, "a.pods.shop.svc.cluster.local", "outbound|80||pods.shop.svc.cluster.local"),
        (80, "a.pods", "outbound|80||pods.shop.svc.cluster.local"),
        (80, "a.b.example.com", "outbound|80||*.example.com"),
        (80, "stock", "PassthroughCluster"),  # of another namespace
        (8080, "reviews", "PassthroughCluster"),  # not on that port
        (80, "db", "PassthroughCluster"),
        (80, "example.com", "PassthroughCluster"),
        (80, "who.example.org", "PassthroughCluster"),
        (80, "192.0.2.1", "PassthroughCluster"),
    ],
)
def test_a_host_by_the_name_that_is_asked_for(port: int, host: str, led_to: str) -> None:
    specs = sent(Asked(port, host))
    assert hosts(specs) == {f"{port}/{host}": ((host,), led_to)}
    if led_to.startswith("outbound"):
        assert led_to in {spec.name for spec in specs if isinstance(spec, ClusterSpec)}


def test_only_names_of_who_has_everything_end_in_a_port() -> None:
    """The server tells by that what was given on demand."""
    everything = hosts(sent(proxy=replace(PROXY, labels=labels({"app": "web"}))))
    assert everything
    assert all(name.rpartition(":")[2].isdigit() for name in everything)
    asked_for = [asked(f"80/{host}") for host in ("reviews:80", "[2001:db8::1]", "[::1]:80", "a:80:90")]
    given = hosts(sent(*[each for each in asked_for if each is not None]))
    assert len(given) == 3
    assert not any(name.rpartition(":")[2].isdigit() for name in given)


def test_what_its_routes_lead_to_comes_with_a_host() -> None:
    route = {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "stock.ops.svc.cluster.local"}}]}]}
    routed = {
        "apiVersion": ISTIO,
        "kind": "VirtualService",
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": route,
    }
    assert clusters(sent(Asked(80, "reviews"), more=[routed])) >= {"80||stock"}


def test_unknown_hosts_are_refused_where_the_mesh_says_so() -> None:
    spec = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    settings = {"apiVersion": "mesh.istio.io/v1alpha1", "kind": "MeshConfig", "metadata": {"name": "m"}, "spec": spec}
    assert hosts(sent(Asked(80, "who.example.org"), more=[settings])) == {
        "80/who.example.org": (("who.example.org",), "")
    }


@pytest.mark.parametrize(
    ("proxy", "on_demand"),
    [
        (PROXY, True),
        (replace(PROXY, vhds=False), False),
        (replace(PROXY, http_proxy_port=15080, addresses=("127.0.0.1",)), False),
        (replace(PROXY, labels=labels({"app": "web"})), False),
        (replace(PROXY, labels=labels({"app": "web", "plait.dev/outbound": "all"})), False),
    ],
)
def test_whose_sidecars_hold_only_what_they_use(proxy: Proxy, on_demand: bool) -> None:
    assert ("80||reviews" not in clusters(sent(proxy=proxy))) is on_demand


def test_namespaces_and_the_root_namespace_may_say_it() -> None:
    proxy = replace(PROXY, labels=labels({"app": "web"}))
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": LAZY}}
    root = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system", "labels": LAZY}}
    assert clusters(sent(proxy=proxy, more=[shop])) == {"5432||db"}
    assert clusters(sent(proxy=proxy, more=[root])) == {"5432||db"}
    apart = replace(proxy, labels=labels({"app": "web", "plait.dev/outbound": "all"}))
    assert "80||reviews" in clusters(sent(proxy=apart, more=[shop]))


def test_who_asks_for_too_much_is_sent_everything() -> None:
    specs = sent(everything=True)
    assert {"80||reviews", "80||stock"} <= clusters(specs)


def test_a_host_more_is_that_host_alone() -> None:
    builder = Builder()
    pipeline = Pipeline(applied(builder, [*map(made, given()), demand(Asked(80, "reviews"))]).snapshot)
    before = at_once(pipeline.connect(PROXY))
    made_before = pipeline.graph.made
    (after,) = at_once(
        pipeline.advance(applied(builder, [demand(Asked(80, "reviews"), Asked(80, "stock.ops"))]))
    ).values()
    assert pipeline.graph.made - made_before < 30
    new = {
        name
        for url, layers in after.layers.items()
        for table in layers
        for name in table
        if before.get(url, name) is None
    }
    assert {name.partition(".")[0] for name in new} == {"80/stock", "outbound|80||stock", "outbound|8080||stock"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("80/reviews", Asked(80, "reviews")),
        ("80/Reviews.shop:8080", Asked(80, "reviews.shop")),
        ("80/[::1]:80", Asked(80, "[::1]")),
        ("80/", None),
        ("reviews", None),
        ("web.shop:80/reviews", None),
        ("80/*.x", None),
        ("80/a/b", None),
        ("80/a:80:90", None),
        ("80/2001:db8::1:2", None),
        ("800000/a", None),
    ],
)
def test_names_that_clients_ask_for(name: str, wanted: Asked | None) -> None:
    assert asked(name) == wanted


def test_replicas_ask_as_one() -> None:
    other = replace(PROXY, id="q", name="q", labels=labels({"app": "web", "pod-template-hash": "1"}))
    assert asked_by(PROXY) == asked_by(other) == BY


def test_hosts_that_have_expired_are_asked_for_anew() -> None:
    def turns(*of: tuple[int, int], proxy: Proxy = PROXY) -> dict[str, int]:
        found = Demand(BY, (Asked(80, "reviews"),), turns=of)
        given_demand = Object(ObjectRef("demand.plait", "Demand", "shop", "default/web"), found, Origin("test"))
        change = applied(Builder(), [*map(made, given()), given_demand])
        graph = Graph(change.snapshot)
        view = graph.get(call(proxy_view, proxy))
        specs = (
            (spec.name, spec.turn)
            for root in (view.outbound, view.near)  # what is near takes the place of what has the same name
            for group in graph.get(root)
            for leaf in graph.get(group)
            for spec in graph.get(leaf)
            if isinstance(spec, RouteTable)
        )
        return dict(specs)

    everything = replace(PROXY, labels=labels({"app": "web"}))
    before, after = turns(), turns((80, 2))
    assert set(turns(proxy=everything).values()) == {0}
    assert 0 not in before.values()
    assert after["80"] not in (before["80"], turns((80, 1))["80"])
    assert {name: turn for name, turn in after.items() if name != "80"} == {
        name: turn for name, turn in before.items() if name != "80"
    }
