"""What one proxy is sent, where outlines do not show it: what is sniffed, what an explicit proxy knows, provenance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.inbound import Offer, inbound_ports
from xds.view.inbound_listener import virtual_inbound
from xds.view.proxy_view import proxy_view
from xds.view.specs.listeners import ListenerSpec, Sniff
from xds.view.specs.routes import RouteTable
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import CLUSTER, LISTENER

WEB = """
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},
 spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: %s, port: 80}]}}
---
"""
OTHER = """
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop},
 spec: {clusterIP: 10.96.0.2, selector: {app: other}, ports: [{name: %s, port: 81}]}}
---
"""
OUT = """
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: shop},
 spec: {hosts: [out.example.com], ports: [{number: 443, name: tls, protocol: TLS}]}}
---
"""
FOREIGN = """
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: f, namespace: shop},
 spec: {hosts: [f.example.com], http: [{route: [{destination: {host: web}}]}]}}
---
"""
PROXY = Proxy("p", namespace="shop", labels=labels({"app": "web"}), addresses=("127.0.0.1",))


def graph_of(text: str) -> Graph:
    return Graph(applied(Builder(), written(text)).snapshot)


def inbound(text: str) -> ListenerSpec:
    graph = graph_of(text)
    offer = Offer("shop", PROXY.labels)
    (spec,) = graph.get(call(virtual_inbound, offer, graph.get(call(inbound_ports, offer))))
    assert isinstance(spec, ListenerSpec)
    return spec


def resource(served: ResourceSet, type_url: str, name: str) -> Resource:
    return next(table[name] for table in served.of(type_url) if name in table)


def test_only_ports_of_unknown_protocol_are_sniffed_where_connections_come_in() -> None:
    assert inbound(WEB % "http").sniff is Sniff.NOTHING
    sniffing = inbound(WEB % "what")
    assert (sniffing.sniff, sniffing.sniffed_ports) == (Sniff.BOTH, (80,))


def test_provenance_is_the_service_of_a_port_and_no_other() -> None:
    pipeline = Pipeline(applied(Builder(), written(WEB % "http" + OTHER % "http" + OUT)).snapshot)
    served = at_once(pipeline.connect(PROXY))
    for type_url, name, expected in (
        (CLUSTER, "inbound|80||", {"web"}),
        (LISTENER, "virtualInbound", {"web"}),
        (LISTENER, "0.0.0.0_443", {"out"}),
    ):
        assert {ref.name for ref in resource(served, type_url, name).provenance} == expected, name


def domains(text: str) -> dict[str, tuple[str, ...]]:
    graph = graph_of(text)
    view: Any = graph.get(call(proxy_view, replace(PROXY, http_proxy_port=15080)))
    leaves = (leaf for group in graph.get(view.inbound) for leaf in graph.get(group))
    tables = [spec for leaf in leaves for spec in graph.get(leaf) if isinstance(spec, RouteTable)]
    return {host.name: host.domains for table in tables for host in table.virtual_hosts}


def test_an_explicit_proxy_knows_hosts_of_virtual_services_and_ports_of_unknown_protocol() -> None:
    found = domains(WEB % "http" + OTHER % "what" + FOREIGN)
    assert found["80/f.example.com:80"] == ("f.example.com", "f.example.com:80")
    assert "other:81" in found["81/other.shop.svc.cluster.local:81"]
    every = [domain for host in found.values() for domain in host]
    assert len(every) == len(set(every))
