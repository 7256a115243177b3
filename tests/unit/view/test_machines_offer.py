"""What a machine offers: the ports that its group gives it, where callers find them; its labels are believed."""

from __future__ import annotations

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.view.graph import Graph, call
from xds.view.inbound import InboundPort, Offer, inbound_ports
from xds.view.scope import scope

GROUP = """
{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {name: vms, namespace: shop},
 spec: {template: {ports: {http: 8080, admin: 9090}}}}
---
"""
SERVICE = """
{apiVersion: v1, kind: Service, metadata: {name: vms, namespace: shop},
 spec: {clusterIP: 10.96.0.1, selector: {app: vm}, ports: [%s]}}
---
"""
SOURCES = """
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: vms, namespace: shop},
 spec: {hosts: [vms], http: [{match: [{sourceLabels: {app: vm}}], route: [{destination: {host: vms}}]}]}}
---
"""
LABELS = labels({"app": "vm"})


def offered(port: str, group: str = "vms") -> tuple[int, ...]:
    graph = Graph(applied(Builder(), written(GROUP + SERVICE % port)).snapshot)
    found: tuple[InboundPort, ...] = graph.get(call(inbound_ports, Offer("shop", LABELS, "vms-10.0.0.5", group=group)))
    return tuple(each.number for each in found)


def test_its_ports_are_the_groups() -> None:
    assert offered("{name: http, port: 80, targetPort: 9999}") == (8080,)
    assert offered("{name: web, port: 80, targetPort: 9999}") == (9999,)
    assert offered("{name: web, port: 80, targetPort: admin}") == (9090,)
    assert offered("{name: web, port: 80, targetPort: unknown}") == ()
    assert offered("{name: http, port: 80, targetPort: 9999}", group="") == (9999,)


def test_its_labels_are_believed() -> None:
    graph = Graph(applied(Builder(), written(SERVICE % "{name: http, port: 80}" + SOURCES)).snapshot)
    machine = Proxy("vm", namespace="shop", name="vms-10.0.0.5", labels=LABELS, group="vms")
    assert graph.get(call(scope, machine)).vouched
    assert not graph.get(call(scope, Proxy("vm", namespace="shop", labels=LABELS))).vouched
