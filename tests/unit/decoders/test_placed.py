"""What services ask for themselves about near endpoints, and the rows that say who asks where callers are."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.placement import BY_NODE, LOCALITY, SAME_NODE, SAME_ZONE, Nearness
from xds.model.snapshot import Input, Table

SERVICE = (
    "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop, annotations: {{{}}}}},"
    " spec: {{ports: [{{port: 80}}] {}}}}}"
)
ENTRY = (
    "{{apiVersion: networking.istio.io/v1, kind: ServiceEntry,"
    " metadata: {{name: web, namespace: shop, annotations: {{{}}}}},"
    " spec: {{hosts: [a.example], ports: [{{number: 80, name: http}}], resolution: DNS}}}}"
)
ANNOTATION = "networking.istio.io/traffic-distribution: {}"


@pytest.mark.parametrize(
    ("annotation", "field", "wanted", "asked"),
    [
        ("", "", Nearness(), ()),
        ("", ", trafficDistribution: PreferClose", Nearness(SAME_ZONE), (LOCALITY,)),
        ("", ", trafficDistribution: PreferSameZone", Nearness(SAME_ZONE), (LOCALITY,)),
        ("PreferSameNode", "", Nearness(SAME_NODE), (LOCALITY, BY_NODE)),
        ("PreferSameNode", ", trafficDistribution: PreferSameZone", Nearness(SAME_ZONE), (LOCALITY,)),
        ("", ", internalTrafficPolicy: Local", Nearness(own_node=True), (BY_NODE,)),
        ("Any", ", internalTrafficPolicy: Cluster", Nearness(), ()),
    ],
)
def test_services(annotation: str, field: str, wanted: Nearness, asked: tuple[str, ...]) -> None:
    stated = ANNOTATION.format(annotation) if annotation else ""
    snapshot = applied(Builder(), written(SERVICE.format(stated, field))).snapshot
    (service,) = snapshot.rows(Table.HOST, "web.shop.svc.cluster.local")
    assert service.nearness == wanted
    assert set(snapshot.keys(Table.PLACED)) == set(asked)


def test_service_entries_by_annotation() -> None:
    snapshot = applied(Builder(), written(ENTRY.format(ANNOTATION.format("PreferClose")))).snapshot
    (service,) = snapshot.rows(Table.HOST, "a.example")
    assert service.nearness == Nearness(SAME_ZONE)


def test_unknown_words_are_told() -> None:
    builder = Builder()
    applied(builder, written(SERVICE.format(ANNOTATION.format("Near"), "")))
    assert [problem.code for problem in builder.problems if problem.severity.value == "warning"] == [
        "service.traffic-distribution"
    ]


RULE = (
    "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: web, namespace: shop}},"
    " spec: {{host: web, trafficPolicy: {{{}}}}}}}"
)


@pytest.mark.parametrize(
    ("policy", "placed", "labels"),
    [
        ("loadBalancer: {simple: RANDOM}", set(), set()),
        ("outlierDetection: {}", {LOCALITY}, set()),
        ("loadBalancer: {localityLbSetting: {enabled: false}}", set(), set()),
        ("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}]}}", {LOCALITY}, set()),
        (
            "loadBalancer: {localityLbSetting: {failoverPriority: [app, a=b, topology.kubernetes.io/zone]}}",
            {LOCALITY},
            {"app"},
        ),
        ("loadBalancer: {localityLbSetting: {failoverPriority: [kubernetes.io/hostname]}}", {LOCALITY, BY_NODE}, set()),
        ("loadBalancer: {zoneAwareLbSetting: {}}", {LOCALITY, BY_NODE}, set()),
        ("portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]", {LOCALITY}, set()),
    ],
)
def test_rules(policy: str, placed: set[str], labels: set[str]) -> None:
    snapshot = applied(Builder(), written(RULE.format(policy))).snapshot
    assert set(snapshot.read(Input(Table.PLACED, "*all keys*"))) == placed
    assert set(snapshot.keys(Table.SELECTOR_KEY)) == labels
