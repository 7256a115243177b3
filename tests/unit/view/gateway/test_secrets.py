"""Which routers are given the keys of their gateways: those that are proven, and are the pods that were meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.resources import SecretSpec, Spec

GIVEN = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE, credentialName: site}}
  - {port: {number: 444, name: mutual, protocol: HTTPS}, hosts: [a.test], tls: {mode: MUTUAL, credentialName: site}}
---
apiVersion: v1
kind: Secret
metadata: {name: site, namespace: ingress}
stringData: {tls.crt: "-----BEGIN CERTIFICATE-----", tls.key: "-----BEGIN PRIVATE KEY-----"}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: ingress, labels: {istio: edge}}
spec: {serviceAccountName: edge, containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: other-1, namespace: ingress, labels: {app: other}}
spec: {serviceAccountName: other, containers: []}
"""
EDGE = Proxy(
    "edge", "router", "ingress", "edge-1", labels({"istio": "edge"}), service_account="edge", identity=Identity.ADS
)
STRANGERS = {
    "unproven": replace(EDGE, identity=Identity.NONE),
    "of a workload API": replace(EDGE, identity=Identity.SOCKET),
    "of another account": replace(EDGE, service_account="other"),
    "a pod without the label": replace(EDGE, name="other-1", service_account="other"),
    "no pod": replace(EDGE, name="edge-2"),
    "of another namespace": replace(EDGE, namespace="shop"),
}


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return applied(Builder(), written(GIVEN)).snapshot


def sent(snapshot: Snapshot, proxy: Proxy) -> list[Spec]:
    graph = Graph(snapshot)
    leaves = (
        leaf for root in graph.get(call(proxy_view, proxy)) for group in graph.get(root) for leaf in graph.get(group)
    )
    return [spec for leaf in leaves for spec in graph.get(leaf)]


def listeners(specs: list[Spec]) -> list[str]:
    return sorted(spec.name for spec in specs if isinstance(spec, ListenerSpec))


def test_the_router_that_is_meant_has_the_key(snapshot: Snapshot) -> None:
    specs = sent(snapshot, EDGE)
    sent_to = {spec.name for spec in specs if isinstance(spec, SecretSpec)}
    assert sent_to == {"gateway://https.443.https.front.shop", "gateway://https.444.mutual.front.shop"}
    # What cannot prove its clients takes none: the Secret has no authorities.
    assert listeners(specs) == ["0.0.0.0_443"]


@pytest.mark.parametrize("who", STRANGERS)
def test_nobody_else_has_it(snapshot: Snapshot, who: str) -> None:
    specs = sent(snapshot, STRANGERS[who])
    assert not [spec for spec in specs if isinstance(spec, SecretSpec)]
    assert listeners(specs) == []
