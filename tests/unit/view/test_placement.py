"""Near endpoints: who shares what with whom, and how much is made anew when something changes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.endpoint import Locality
from xds.model.labels import labels
from xds.model.placement import ByLabel, Place, by_labels, covers
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.zones import Zone, zone_shares
from xds.wire.type_urls import ENDPOINT

SERVICES = 30
SERVICE = """
{{apiVersion: v1, kind: Service, metadata: {{name: s{0}, namespace: shop}},
 spec: {{clusterIP: 10.96.0.{0}, ports: [{{name: http, port: 80}}] {1}}}}}
---
"""
SLICE = """
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{{name: http, port: 80}}],
 metadata: {{name: s{0}-1, namespace: shop, labels: {{kubernetes.io/service-name: s{0}}}}},
 endpoints: [{{addresses: [10.1.{0}.1], zone: a}}, {{addresses: [10.1.{0}.2], zone: b, conditions: {{ready: {1}}}}}]}}
---
"""
RULE = """
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: s1, namespace: shop},
 spec: {host: s1, trafficPolicy: {outlierDetection: {}}}}
---
"""
POD = """
{{apiVersion: v1, kind: Pod, metadata: {{name: {0}, namespace: shop}}, spec: {{nodeName: {1}, containers: []}},
 status: {{phase: Running, podIP: 10.2.0.{2}}}}}
---
"""


def world(rule: str = RULE, own_node: str = "") -> str:
    more = ", internalTrafficPolicy: Local"
    services = "".join(SERVICE.format(n, more if f"s{n}" == own_node else "") for n in range(1, SERVICES))
    return services + "".join(SLICE.format(n, "true") for n in range(1, SERVICES)) + rule


def proxy(number: int, zone: str) -> Proxy:
    return Proxy(f"p{number}", namespace="shop", name=f"p{number}", locality=Locality("", zone, ""))


def test_callers_of_a_place_share_all_and_others_what_is_alike() -> None:
    graph = Graph(applied(Builder(), written(world())).snapshot)
    here = [graph.get(call(proxy_view, proxy(number, "a"))) for number in range(1000)]
    there: Any = graph.get(call(proxy_view, proxy(1000, "b")))
    assert len({view.outbound for view in here}) == 1
    assert here[0].outbound != there.outbound

    def leaves(root: Any) -> set[Any]:
        return {leaf for group in graph.get(root) for leaf in graph.get(group)}

    apart = leaves(here[0].outbound) - leaves(there.outbound)
    assert [leaf.args[0] for leaf in apart] == ["outbound|80||s1.shop.svc.cluster.local"]


def test_nobody_is_anywhere_where_nobody_asks() -> None:
    graph = Graph(applied(Builder(), written(world(rule=""))).snapshot)
    here, there = (graph.get(call(proxy_view, proxy(number, zone))) for number, zone in enumerate("ab"))
    assert here.outbound == there.outbound


@pytest.mark.parametrize("service", [1, 2], ids=["with preference", "without"])
def test_work_follows_the_change_of_an_endpoint(service: int) -> None:
    builder = Builder()
    pipeline = Pipeline(applied(builder, written(world())).snapshot)
    proxies = [proxy(number, "ab"[number % 2]) for number in range(20)]
    for each in proxies:
        at_once(pipeline.connect(each))
    before = pipeline.graph.made
    changed = at_once(pipeline.advance(applied(builder, written(SLICE.format(service, "false")))))
    assert len(changed) == 20
    assert pipeline.graph.made - before < 8


def test_endpoints_of_the_own_node_are_a_layer_of_their_own() -> None:
    pods = "".join(POD.format(f"p{number}", f"n{number % 3}", number + 1) for number in range(9))
    snapshot = applied(Builder(), written(world(rule="", own_node="s3") + pods)).snapshot
    graph, pipeline = Graph(snapshot), Pipeline(snapshot)
    views = [graph.get(call(proxy_view, proxy(number, ""))) for number in range(9)]
    assert len({view.outbound for view in views}) == 1
    sets = [at_once(pipeline.connect(proxy(number, ""))) for number in range(9)]
    name = "outbound|80||s3.shop.svc.cluster.local"
    found = [[table for table in each.of(ENDPOINT) if name in table] for each in sets]
    assert [len(tables) for tables in found] == [1] * 9
    assert len({tables[0][name].version for tables in found}) == 1  # no endpoint's node is known here


@pytest.mark.parametrize(
    ("pattern", "locality", "answer"),
    [
        ("*", ("r1", "a", ""), True),
        ("r1", ("r1", "a", "s"), True),
        ("r1/*", ("r1", "a", "s"), True),
        ("r1/a", ("r1", "b", ""), False),
        ("r1/a/s", ("r1", "a", ""), False),
        ("r1/a/*", ("r1", "a", ""), True),
        ("r1", ("r10", "", ""), False),
    ],
    ids=str,
)
def test_patterns_of_localities(pattern: str, locality: tuple[str, str, str], answer: bool) -> None:
    assert covers(pattern, Locality(*locality)) is answer


def test_labels_are_the_callers_own_or_said() -> None:
    place = Place(Locality("r1", "a", "s"), labels({"version": "v1"}), "n1")
    stated = ("version", "app=web", "topology.istio.io/subzone", "topology.istio.io/zone", "kubernetes.io/hostname")
    assert by_labels(stated, place) == ByLabel(
        (
            ("version", "v1"),
            ("app", "web"),
            ("topology.istio.io/subzone", "s"),
            ("topology.istio.io/zone", "a"),
            ("kubernetes.io/hostname", "n1"),
        )
    )


A, B, C = ("r", "a"), ("r", "b"), ("r", "c")


@pytest.mark.parametrize(
    ("endpoints", "callers", "wanted"),
    [
        ({A: 1, B: 1}, {A: 1, B: 1}, {A: Fraction(1)}),
        ({A: 3, B: 1}, {A: 1, B: 1}, {A: Fraction(1)}),
        ({A: 1, B: 3}, {A: 1, B: 1}, {A: Fraction(1, 2), B: Fraction(1, 2)}),
        ({A: 1, B: 1, C: 2}, {A: 2, B: 1, C: 1}, {A: Fraction(1, 2), C: Fraction(1, 2)}),
        ({B: 1, C: 3}, {A: 1, B: 1}, {C: Fraction(1)}),
        ({A: 1}, {B: 1}, {}),
        ({}, {A: 1}, {}),
    ],
    ids=str,
)
def test_shares_of_zones(endpoints: dict[Zone, int], callers: dict[Zone, int], wanted: dict[Zone, Fraction]) -> None:
    assert zone_shares(endpoints, callers, A) == wanted


@given(
    st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 20), min_size=1),
    st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 20), min_size=1),
)
def test_no_zone_gets_more_than_its_endpoints_are_worth(endpoints: dict[Zone, int], callers: dict[Zone, int]) -> None:
    calling = {zone: count for zone, count in callers.items() if zone in endpoints}
    got: dict[Zone, Fraction] = {}
    for own, count in calling.items():
        for zone, share in zone_shares(endpoints, calling, own).items():
            got[zone] = got.get(zone, Fraction(0)) + share * Fraction(count, sum(calling.values()))
    worth = {zone: Fraction(count, sum(endpoints.values())) for zone, count in endpoints.items()}
    assert all(share <= worth[zone] for zone, share in got.items())
    assert sum(got.values()) == (1 if calling else 0)
