"""Which filter chains an edit of a gateway's servers drains: those of the names that mean something else, no others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.planner.effect import effect
from xds.translators.translate import translate
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.wire.resource import Resource
from xds.wire.type_urls import LISTENER

LABELS = {"istio": "edge", "gateway.networking.k8s.io/gateway-name": "edge"}
EDGE = Proxy("edge", "router", "ingress", "edge-1", labels(LABELS), service_account="edge", identity=Identity.ADS)
ROUTER = """
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: ingress, labels: {istio: edge, gateway.networking.k8s.io/gateway-name: edge}}
spec: {serviceAccountName: edge, containers: []}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: ingress}
spec:
  clusterIP: 10.96.0.1
  selector: {istio: edge}
  ports: [{name: https, port: 443}, {name: http3, port: 443, protocol: UDP}]
"""
ISTIO = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: edge}
  servers:
  - {name: one, port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.test, b.test, "*.wide.test"], tls: {mode: SIMPLE, credentialName: first}}
  - {name: two, port: {number: 443, name: https-proven, protocol: HTTPS}, hosts: [m.test], tls: {mode: MUTUAL, credentialName: first, caCertCredentialName: second}}
  - {name: tcp, port: {number: 443, name: tls-lines, protocol: TLS}, hosts: [lines.test], tls: {mode: SIMPLE, credentialName: first}}
  - {name: rest, port: {number: 443, name: tls-rest, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [front]
  tls:
  - {match: [{sniHosts: [p.test]}], route: [{destination: {host: db}}]}
  - {match: [{sniHosts: ["*"]}], route: [{destination: {host: db}}]}
  tcp: [{route: [{destination: {host: db}}]}]
"""  # noqa: E501
ALONE = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 443, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: first}}
  - {port: {number: 443, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE, credentialName: first}}
"""
API = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: plait}
spec: {controllerName: plait.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: ingress}
spec:
  gatewayClassName: plait
  listeners:
  - {name: one, port: 443, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: first}]}}
  - {name: two, port: 443, protocol: HTTPS, hostname: b.test, tls: {certificateRefs: [{name: first}]}}
"""
Plain = dict[str, Any]
Edit = Callable[[list[Plain]], object]


def secret(name: str) -> Plain:
    texts = {"tls.crt": "-----BEGIN CERTIFICATE-----", "tls.key": "-----BEGIN PRIVATE KEY-----"}
    texts["ca.crt"] = f"-----BEGIN {name}-----"
    metadata = {"name": name, "namespace": "ingress"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def given(text: str) -> list[Plain]:
    return [*yaml.safe_load_all(ROUTER), *yaml.safe_load_all(text), secret("first"), secret("second")]


def listeners(plain: list[Plain]) -> dict[str, Resource]:
    builder = Builder()
    change = applied(builder, list(map(made, plain)))
    assert not [problem for problem in builder.problems if problem.severity.value == "error"], builder.problems
    graph = Graph(change.snapshot)
    roots = graph.get(call(proxy_view, EDGE))
    leaves = (leaf for root in roots for group in graph.get(root) for leaf in graph.get(group))
    found = (translate(spec) for leaf in leaves for spec in graph.get(leaf))
    return {name: Resource(url, name, body) for url, name, body in found if url == LISTENER}


def edited(text: str, edit: Edit) -> list[Plain]:
    """The objects with another list of servers (or listeners)."""
    plain = copy.deepcopy(given(text))
    spec = next(each for each in plain if each["kind"] == "Gateway")["spec"]
    edit(spec.get("servers") or spec["listeners"])
    return plain


def drained(before: list[Plain], after: list[Plain]) -> dict[str, list[str]]:
    """The chains of each listener that drain; ``["all"]`` where it goes, or is replaced."""
    old, new = listeners(before), listeners(after)
    found = {name: effect(each, new.get(name)) for name, each in old.items()}
    return {
        name: sorted(chain.rpartition("/")[2] for chain in each.chains) or ["all"]
        for name, each in found.items()
        if each.way.drains
    }


def tls(**fields: Any) -> Edit:
    return lambda servers: servers[0]["tls"].update(fields)


def another(host: str, **port: Any) -> Plain:
    port = {"number": 443, "name": "another", "protocol": "HTTPS", **port}
    return {"port": port, "hosts": [host], "tls": {"mode": "SIMPLE", "credentialName": "second"}}


ALL = ["*.wide.test", "a.test", "b.test"]
SECOND = {"mode": "SIMPLE", "credentialNames": ["second"]}
TCP, UDP = "0.0.0.0_443", "udp_0.0.0.0_443"
EDITS: dict[str, tuple[Edit, list[str]]] = {
    "a host more": (lambda servers: servers[0]["hosts"].insert(0, "0.test"), []),
    "a host less": (lambda servers: servers[0]["hosts"].remove("a.test"), ["a.test"]),
    "hosts in another order": (lambda servers: servers[0]["hosts"].reverse(), []),
    "another name": (lambda servers: servers[0].update(name="other"), []),
    "no name": (lambda servers: servers[0].pop("name"), []),
    "another Secret": (tls(credentialName="second"), []),
    "a Secret of a list": (
        lambda servers: servers[0].update(tls={"mode": "SIMPLE", "credentialNames": ["second"]}),
        [],
    ),
    "other authorities": (lambda servers: servers[1]["tls"].update(caCertCredentialName="first"), []),
    "authorities beside the certificate": (lambda servers: servers[1]["tls"].pop("caCertCredentialName"), []),
    "another Secret of bytes": (lambda servers: servers[2]["tls"].update(credentialName="second"), []),
    "another name of bytes": (lambda servers: servers[2].update(name="other"), []),
    "a server before": (lambda servers: servers.insert(0, another("0.test")), []),
    "a server less": (lambda servers: servers.pop(1), ["m.test"]),
    "servers in another order": (lambda servers: servers.reverse(), []),
    "a port's name": (lambda servers: servers[0]["port"].update(name="renamed"), ALL),
    "a version of TLS": (tls(minProtocolVersion="TLSV1_3"), ALL),
    "mutual TLS": (tls(mode="MUTUAL"), ALL),
    "no certificate": (tls(credentialName="missing"), ALL),
    "a host of the mesh": (lambda servers: servers[0]["hosts"].append("*.mesh.test"), []),
}


@pytest.mark.parametrize("said", EDITS)
def test_servers_of_istio(said: str) -> None:
    edit, wanted = EDITS[said]
    found = drained(given(ISTIO), edited(ISTIO, edit))
    assert found.get(TCP, []) == wanted
    assert found.get(UDP, []) in (["all"] if wanted == ALL else [], [each for each in wanted if each in ALL])


def test_routes_by_sni() -> None:
    def without_p(plain: list[Plain]) -> list[Plain]:
        routed = next(each for each in plain if each["kind"] == "VirtualService")
        routed["spec"]["tls"].pop(0)
        return plain

    less = without_p(given(ISTIO))
    assert drained(given(ISTIO), less) == {TCP: ["p.test"]}
    assert drained(less, given(ISTIO)) == {}


def test_the_last_name_beside_a_server_for_all() -> None:
    less = edited(ALONE, lambda servers: servers.pop(1))
    assert drained(given(ALONE), less) == {TCP: ["a.test"], UDP: ["a.test"]}
    assert drained(less, given(ALONE)) == {}


API_EDITS: dict[str, tuple[Edit, list[str]]] = {
    "another name": (lambda listed: listed[0].update(name="other"), []),
    "another Secret": (lambda listed: listed[0]["tls"].update(certificateRefs=[{"name": "second"}]), []),
    "another host": (lambda listed: listed[0].update(hostname="c.test"), ["a.test"]),
    "a listener before": (lambda listed: listed.insert(0, {**listed[0], "name": "0", "hostname": "c.test"}), []),
    "a listener less": (lambda listed: listed.pop(0), ["a.test"]),
}


@pytest.mark.parametrize("said", API_EDITS)
def test_listeners_of_the_gateway_api(said: str) -> None:
    edit, wanted = API_EDITS[said]
    assert drained(given(API), edited(API, edit)).get(TCP, []) == wanted
