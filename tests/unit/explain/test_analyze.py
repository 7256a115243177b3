"""What analysis finds between objects: each message where it belongs, and none where all is well."""

from __future__ import annotations

import base64

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.analyze import FINDINGS, analyze, found_in, ordered
from xds.slices import at_once
from xds.view.graph import Graph

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
---
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
---
"""


def routed(http: str, *, name: str = "web", hosts: str = "[web]") -> str:
    metadata = f"{{name: {name}, namespace: shop}}"
    spec = f"{{hosts: {hosts}, http: {http}}}"
    return f"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {metadata}, spec: {spec}}}\n---\n"


def service(name: str, spec: str) -> str:
    return f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, spec: {spec}}}\n---\n"


def entry(name: str, host: str, resolution: str) -> str:
    ports = "[{number: 80, name: http, protocol: HTTP}]"
    spec = f"{{hosts: ['{host}'], resolution: {resolution}, ports: {ports}}}"
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {metadata}, spec: {spec}}}\n---\n"


def edge(name: str, port: int, protocol: str, hosts: str = '["*"]', *, selector: str = "{}", tls: str = "") -> str:
    server = f"{{port: {{number: {port}, name: p, protocol: {protocol}}}, hosts: {hosts}"
    server += f", tls: {tls}}}" if tls else "}"
    spec = f"{{selector: {selector}, servers: [{server}]}}"
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"{{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {metadata}, spec: {spec}}}\n---\n"


def passed_on(gateway: str, hosts: str) -> str:
    tls = f"[{{match: [{{sniHosts: {hosts}}}], route: [{{destination: {{host: web, port: {{number: 80}}}}}}]}}]"
    spec = f"{{hosts: {hosts}, gateways: [{gateway}], tls: {tls}}}"
    metadata = "{name: passed, namespace: shop}"
    return f"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {metadata}, spec: {spec}}}\n---\n"


def pod(name: str, labels: str) -> str:
    metadata = f"{{name: {name}, namespace: shop, labels: {labels}}}"
    return f"{{apiVersion: v1, kind: Pod, metadata: {metadata}, spec: {{containers: []}}}}\n---\n"


def secret(name: str) -> str:
    shown = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    key = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"{{apiVersion: v1, kind: Secret, metadata: {metadata}, data: {{tls.crt: {shown}, tls.key: {key}}}}}\n---\n"


def found(text: str) -> list[str]:
    builder = Builder()
    change = applied(builder, written(text))
    return [f"{problem.at.dotted} {problem.code}" for problem in analyze(change.snapshot, builder.problems)]


TO_WEB = "[{route: [{destination: {host: web}}]}]"

CASES = {
    "all is well": (WEB + RULE + routed("[{route: [{destination: {host: web, subset: v1}}]}]"), []),
    "unknown destination": (
        WEB + routed("[{route: [{destination: {host: wep}}]}]"),
        ["spec.http[0].route[0].destination.host destination.host-unknown"],
    ),
    "a wildcard whose hosts Envoy resolves": (
        entry("wild", "*.wild.test", "DYNAMIC_DNS")
        + routed("[{route: [{destination: {host: '*.wild.test'}}]}]", hosts="['*.wild.test']"),
        [],
    ),
    "a wildcard whose hosts nobody resolves": (
        entry("wild", "*.wild.test", "NONE")
        + routed("[{route: [{destination: {host: '*.wild.test'}}]}]", hosts="['*.wild.test']"),
        ["spec.http[0].route[0].destination.host destination.wildcard-resolution"],
    ),
    "a wildcard that nobody has": (
        WEB + routed("[{route: [{destination: {host: '*.wild.test'}}]}]"),
        ["spec.http[0].route[0].destination.host destination.host-unknown"],
    ),
    "subset without a rule": (
        WEB + routed("[{route: [{destination: {host: web, subset: v1}}]}]"),
        ["spec.http[0].route[0].destination.subset destination.subset-without-rule"],
    ),
    "unknown subset": (
        WEB + RULE + routed("[{route: [{destination: {host: web, subset: v2}}]}]"),
        ["spec.http[0].route[0].destination.subset destination.subset-unknown"],
    ),
    "unknown port": (
        WEB + routed("[{route: [{destination: {host: web, port: {number: 81}}}]}]"),
        ["spec.http[0].route[0].destination.port.number destination.port-unknown"],
    ),
    "several ports, none named": (
        service("two", "{clusterIP: 10.96.0.2, ports: [{name: http, port: 80}, {name: http-b, port: 81}]}")
        + routed("[{route: [{destination: {host: two}}]}]", hosts="[two]"),
        ["spec.http[0].route[0].destination.port destination.port-missing"],
    ),
    "a host that nobody has": (
        WEB + routed(TO_WEB, hosts="[web, other.example.com]"),
        ["spec.hosts[1] virtual-service.host-unknown"],
    ),
    "an unknown gateway": (
        WEB + routed(TO_WEB).replace("hosts:", "gateways: [edge, mesh], hosts:"),
        ["spec.gateways[0] virtual-service.gateway-unknown"],
    ),
    "a gateway": (
        WEB + edge("edge", 80, "HTTP") + routed(TO_WEB).replace("hosts:", "gateways: [edge, mesh], hosts:"),
        [],
    ),
    "a gateway that does not take the host": (
        WEB + edge("edge", 80, "HTTP", "[b.test]") + routed(TO_WEB).replace("hosts:", "gateways: [edge], hosts:"),
        ["spec.gateways[0] virtual-service.gateway-host"],
    ),
    "a host that no gateway takes, beside one that one does": (
        WEB
        + edge("edge", 80, "HTTP", "[b.test]")
        + routed(TO_WEB, hosts="[b.test, c.test]").replace("hosts:", "gateways: [edge], hosts:", 1),
        ["spec.hosts[1] virtual-service.host-untaken"],
    ),
    "hosts of two gateways, each taken by one": (
        WEB
        + edge("a", 80, "HTTP", "[b.test]")
        + edge("b", 81, "HTTP", "[c.test]")
        + routed(TO_WEB, hosts="[b.test, c.test]").replace("hosts:", "gateways: [a, b], hosts:", 1),
        [],
    ),
    "a gateway's port that its router's Service lacks": (
        edge("edge", 81, "HTTP", selector="{istio: edge}")
        + pod("edge", "{istio: edge}")
        + service("front", "{selector: {istio: edge}, ports: [{name: http, port: 80, targetPort: 8080}]}"),
        ["spec.servers[0].port.number gateway.port-unreached"],
    ),
    "a gateway's port that is the pod's": (
        edge("edge", 8080, "HTTP", selector="{istio: edge}")
        + pod("edge", "{istio: edge}")
        + service("front", "{selector: {istio: edge}, ports: [{name: http, port: 80, targetPort: 8080}]}"),
        [],
    ),
    "a port of two kinds": (
        edge("a", 80, "HTTP") + edge("b", 80, "TCP"),
        ["spec.servers[0].port gateway.port-conflict"],
    ),
    "a host of two gateways": (
        edge("a", 443, "HTTPS", tls="{mode: ISTIO_MUTUAL}") + edge("b", 443, "HTTPS", tls="{mode: ISTIO_MUTUAL}"),
        ["spec.servers[0].hosts gateway.host-twice"],
    ),
    "a host that an older gateway passes on": (
        WEB
        + edge("a", 443, "TLS", "[a.test, b.test]", tls="{mode: PASSTHROUGH}")
        + edge("b", 443, "HTTPS", "[a.test, b.test]", tls="{mode: ISTIO_MUTUAL}")
        + passed_on("a", "[a.test]"),
        ["spec.servers[0].hosts gateway.host-twice"],
    ),
    "a host that an older gateway could pass on, if somebody said where to": (
        edge("a", 443, "TLS", "[a.test]", tls="{mode: PASSTHROUGH}")
        + edge("b", 443, "HTTPS", "[a.test]", tls="{mode: ISTIO_MUTUAL}"),
        [],
    ),
    "a host that is to be passed on, and an older gateway ends TLS for": (
        WEB
        + edge("a", 443, "HTTPS", "[a.test]", tls="{mode: ISTIO_MUTUAL}")
        + edge("b", 443, "TLS", "[a.test, b.test]", tls="{mode: PASSTHROUGH}")
        + passed_on("b", "[a.test, b.test]"),
        ["spec.servers[0].hosts gateway.host-twice"],
    ),
    "a host of two gateways, in plain HTTP": (edge("a", 80, "HTTP") + edge("b", 80, "HTTP"), []),
    "gateways of different routers": (
        edge("a", 80, "HTTP", selector="{istio: one}") + edge("b", 80, "TCP", selector="{istio: two}"),
        [],
    ),
    "a gateway for nobody": (
        pod("edge-1", "{istio: edge}") + edge("a", 80, "HTTP", selector="{istio: none}"),
        ["spec.selector gateway.nobody-selected"],
    ),
    "a Secret that is not there": (
        pod("edge-1", "{istio: edge}")
        + edge("a", 443, "HTTPS", selector="{istio: edge}", tls="{mode: SIMPLE, credentialName: site}"),
        ["spec.servers[0].tls.credentialName gateway.secret-unknown"],
    ),
    "a Secret without what proves clients": (
        pod("edge-1", "{istio: edge}")
        + secret("site")
        + edge("a", 443, "HTTPS", selector="{istio: edge}", tls="{mode: MUTUAL, credentialName: site}"),
        ["spec.servers[0].tls.credentialName gateway.secret-unknown"],
    ),
    "two for one host": (
        WEB + routed(TO_WEB) + routed(TO_WEB, name="web-too"),
        ["spec.hosts[0] virtual-service.host-twice"],
    ),
    "never reached": (
        WEB + routed("[{route: [{destination: {host: web}}]}, {match: [{uri: {exact: /}}], redirect: {uri: /x}}]"),
        ["spec.http[1] route.unreachable"],
    ),
    "the same match twice": (
        WEB
        + routed(
            "[{match: [{uri: {exact: /a}}], redirect: {uri: /x}}, {match: [{uri: {exact: /a}}], redirect: {uri: /y}}]"
        ),
        ["spec.http[1].match[0] route.repeated"],
    ),
    "unknown delegate": (WEB + routed("[{delegate: {name: gone}}]"), ["spec.http[0].delegate delegate.unknown"]),
    "delegates in a circle": (
        WEB + routed("[{delegate: {name: inner}}]") + routed("[{delegate: {name: web}}]", name="inner", hosts="[]"),
        ["spec.http[0].delegate delegate.circle", "spec.http[0].delegate delegate.circle"],
    ),
    "a delegate with hosts": (
        WEB + routed("[{delegate: {name: other}}]") + routed(TO_WEB, name="other", hosts="[other.example.com]"),
        ["spec.http[0].delegate delegate.has-hosts", "spec.hosts[0] virtual-service.host-unknown"],
    ),
    "two rules for one host": (
        WEB + RULE + RULE.replace("name: web, namespace", "name: web-too, namespace"),
        ["spec.subsets[0].name subset.twice", "spec.host destination-rule.host-twice"],
    ),
    "a rule for nobody": (RULE, ["spec.host destination-rule.host-unknown"]),
    "settings of a port that is none": (
        WEB + RULE.replace("subsets:", "trafficPolicy: {portLevelSettings: [{port: {number: 9}}]}, subsets:"),
        ["spec.trafficPolicy.portLevelSettings port-settings.port-unknown"],
    ),
    "one address for two": (
        WEB + service("other", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}"),
        ["spec.clusterIP service.address-clash"],
    ),
    "a port of the sidecar": (
        service("own", "{clusterIP: 10.96.0.3, ports: [{name: http, port: 15001}]}"),
        ["spec.ports[0] service.port-reserved"],
    ),
    "pods at a port of the sidecar": (
        service("own", "{clusterIP: 10.96.0.3, selector: {a: b}, ports: [{name: http, port: 80, targetPort: 15006}]}"),
        ["spec.ports[0] service.target-reserved"],
    ),
    "a delegate that is another namespace's own": (
        WEB
        + routed("[{delegate: {name: hidden, namespace: far}}]")
        + routed(TO_WEB.replace("web", "web.shop.svc.cluster.local"), name="hidden", hosts="[], exportTo: [.]").replace(
            "namespace: shop", "namespace: far"
        ),
        ["spec.http[0].delegate delegate.hidden"],
    ),
    "an alias of itself": (
        service("me", "{type: ExternalName, externalName: me.shop.svc.cluster.local, ports: [{name: http, port: 80}]}"),
        ["spec.externalName service.alias-circle"],
    ),
    "two protocols on one port": (
        WEB + service("web-grpc", "{clusterIP: 10.96.0.4, selector: {app: web}, ports: [{name: grpc, port: 80}]}"),
        ["spec.ports[0] service.port-clash"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=list(CASES))
def test_findings(text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_an_empty_subset_is_found_when_pods_are_known() -> None:
    pods = """
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop, labels: {app: web, version: v2}}
status: {podIP: 10.1.0.1}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [{addresses: [10.1.0.1]}]
---
"""
    assert found(WEB + RULE) == []
    assert found(WEB + RULE + pods) == ["spec.subsets[0].labels subset.empty"]


def test_messages_name_the_neighbour_that_was_meant() -> None:
    builder = Builder()
    change = applied(builder, written(WEB + routed("[{route: [{destination: {host: wep}}]}]")))
    (problem,) = analyze(change.snapshot, builder.problems)
    assert "did you mean web.shop.svc.cluster.local?" in problem.message


def test_findings_made_in_slices_are_the_same_and_leave_nothing_behind() -> None:
    text = WEB + RULE + routed("[{route: [{destination: {host: wep}}]}]") + routed(TO_WEB, name="too")
    change = applied(Builder(), written(text))
    graph = Graph(change.snapshot)
    sliced = at_once(found_in(graph))
    assert ordered(sliced) == analyze(change.snapshot, ())
    graph.release(FINDINGS)
    assert len(graph) == 0


def test_a_neighbour_is_not_any_name_of_the_same_namespace() -> None:
    builder = Builder()
    change = applied(builder, written(WEB + routed("[{route: [{destination: {host: payments}}]}]")))
    (problem,) = analyze(change.snapshot, builder.problems)
    assert "did you mean" not in problem.message
