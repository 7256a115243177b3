"""What decoders say of single objects that are well-formed but mean nothing good."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.service import ServiceKey
from xds.model.snapshot import Table

VS = "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: v, namespace: shop}}, spec: {}}}"
SE = "{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: e, namespace: shop}}, spec: {}}}"
DR = "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: d, namespace: shop}}, spec: {}}}"
WE = "{{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {{name: w, namespace: shop}}, spec: {}}}"
WG = "{{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {{name: w, namespace: shop}}, spec: {}}}"
SVC = "{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: shop}}, spec: {}}}"
SLICE = (
    "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, "
    "metadata: {{name: s, namespace: shop, labels: {{kubernetes.io/service-name: s}}}}, endpoints: {}}}"
)
AP = "{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: a, namespace: shop}}, spec: {}}}"
PORT = "{number: 80, name: http, protocol: HTTP}"

SIDECAR = "{{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {{name: s, namespace: shop}}, spec: {}}}"
MESH = "{{apiVersion: mesh.istio.io/v1alpha1, kind: MeshConfig, metadata: {{name: m, namespace: i}}, spec: {}}}"

CASES = [
    (AP, "{targetRefs: [{kind: Service, name: web}]}", "spec.targetRefs[0].kind policy.target"),
    (
        AP,
        "{targetRef: {kind: Gateway, name: g, namespace: other}}",
        "spec.targetRef.namespace policy.target-namespace",
    ),
    (MESH, "{ingressClass: istio}", "spec.ingressClass mesh.not-read"),
    (MESH, "{meshNetworks: {networks: {n: {}}}}", "spec.meshNetworks.networks.n.endpoints network.member"),
    (
        MESH,
        "{meshNetworks: {networks: {n: {endpoints: [{}]}}}}",
        "spec.meshNetworks.networks.n.endpoints[0] network.member",
    ),
    (
        MESH,
        "{meshNetworks: {networks: {n: {endpoints: [{fromCidr: all}]}}}}",
        "spec.meshNetworks.networks.n.endpoints[0].fromCidr network.member",
    ),
    (
        MESH,
        "{meshNetworks: {networks: {n: {gateways: [{port: 1}]}}}}",
        "spec.meshNetworks.networks.n.gateways[0] network.gateway",
    ),
    (
        MESH,
        "{meshNetworks: {networks: {n: {gateways: [{address: a.b}]}}}}",
        "spec.meshNetworks.networks.n.gateways[0].port network.gateway-port",
    ),
    (MESH, "{caCertificates: [{spiffeBundleUrl: https://x}]}", "spec.caCertificates[0].spiffeBundleUrl mesh.not-read"),
    (
        MESH,
        "{outboundTrafficPolicy: {egressProxy: {host: e}}}",
        "spec.outboundTrafficPolicy.egressProxy.port egress-proxy.port",
    ),
    (
        MESH,
        "{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: e, port: {number: 80}}}}",
        "spec.outboundTrafficPolicy.mode egress-proxy.mode",
    ),
    (
        SIDECAR,
        "{ingress: [{port: {number: 80, protocol: HTTP}, tls: {mode: PASSTHROUGH}}]}",
        "spec.ingress[0].tls.mode sidecar.ingress-tls",
    ),
    (
        SIDECAR,
        "{ingress: [{port: {number: 80, protocol: HTTP}, tls: {mode: SIMPLE, credentialName: c}}]}",
        "spec.ingress[0].tls.credentialName sidecar.ingress-tls",
    ),
    (
        SIDECAR,
        "{egress: [{port: {number: 0, protocol: HTTP}, hosts: ['./*']}]}",
        "spec.egress[0].port.number sidecar.port",
    ),
    (VS, "{hosts: [a]}", "spec virtual-service.empty"),
    (VS, "{hosts: ['a.*'], http: [{redirect: {uri: /}}]}", "spec.hosts[0] host.wildcard"),
    (VS, "{hosts: ['http://a'], http: [{redirect: {uri: /}}]}", "spec.hosts[0] host.name"),
    (VS, "{hosts: [a], http: [{timeout: 1s}]}", "spec.http[0].route route.missing"),
    (VS, "{hosts: [a], http: [{delegate: {}}]}", "spec.http[0].delegate.name delegate.name"),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: b}}, {destination: {host: c}}]}]}",
        "spec.http[0].route route.weights",
    ),
    (
        VS,
        "{hosts: [a], http: [{match: [{uri: {regex: '(?<x'}}], redirect: {uri: /}}]}",
        "spec.http[0].match[0].uri.regex regex.invalid",
    ),
    (
        VS,
        "{hosts: [a], http: [{route: [{destination: {host: '*b.c'}}]}]}",
        "spec.http[0].route[0].destination.host destination.wildcard",
    ),
    (SE, f"{{hosts: ['*'], ports: [{PORT}]}}", "spec.hosts[0] host.any"),
    (SE, f"{{hosts: ['*.a.b'], ports: [{PORT}], resolution: DNS}}", "spec.hosts[0] host.unresolvable"),
    (SE, f"{{hosts: [a.b], ports: [{PORT}], addresses: [nowhere]}}", "spec.addresses[0] address.invalid"),
    (SE, f"{{hosts: [a.b], ports: [{PORT}], resolution: STATIC}}", "spec.endpoints service-entry.endpoints"),
    (
        SE,
        f"{{hosts: [a.b], ports: [{PORT}], resolution: STATIC, endpoints: [{{address: name}}]}}",
        "spec.endpoints[0].address endpoint.address",
    ),
    (
        SE,
        f"{{hosts: [a.b], ports: [{PORT}], resolution: STATIC, endpoints: [{{}}]}}",
        "spec.endpoints[0].address endpoint.address",
    ),
    (SE, f"{{hosts: [a.b], ports: [{PORT}, {PORT}]}}", "spec.ports[1].number port.twice"),
    (SE, "{hosts: [a.b], ports: [{number: 80, name: x, protocol: SPDY}]}", "spec.ports[0].protocol port.protocol"),
    (DR, "{host: a, subsets: [{name: x}, {name: x}]}", "spec.subsets[1].name subset.twice"),
    (DR, "{host: a, subsets: [{name: 'a|b'}]}", "spec.subsets[0].name subset.name"),
    (
        DR,
        "{host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}",
        "spec.trafficPolicy.portLevelSettings[0].port port-settings.port",
    ),
    (SE, f"{{hosts: [a/b], ports: [{PORT}]}}", "spec.hosts[0] host.name"),
    (SE, f"{{hosts: ['a b.c'], ports: [{PORT}]}}", "spec.hosts[0] host.name"),
    (SE, f"{{hosts: [a.b], ports: [{PORT}], addresses: [0.0.0.0]}}", "spec.addresses[0] address.invalid"),
    (SVC, "{clusterIP: banana, ports: [{port: 80, name: http}]}", "spec.clusterIP address.invalid"),
    (SVC, "{externalIPs: [10.0.0.0/8], ports: [{port: 80, name: http}]}", "spec.externalIPs[0] address.invalid"),
    (SLICE, "[{addresses: [10.0.0.1]}, {addresses: [banana]}]", "endpoints[1].addresses[0] address.invalid"),
    (SVC, "{ports: [{port: 80, name: http}, {port: 80, name: b}]}", "spec.ports[1].port service.port-twice"),
    (SVC, "{ports: [{port: 80, name: http}, {port: 81}]}", "spec.ports[1].name service.port-name"),
    (
        VS,
        "{hosts: [a.b], tls: [{match: [{sniHosts: [c.d]}], route: [{destination: {host: b}}]}]}",
        "spec.tls[0].match[0].sniHosts[0] sni.not-a-host",
    ),
    (
        VS,
        "{hosts: ['*.b'], tls: [{match: [{sniHosts: ['a.*.b']}], route: [{destination: {host: b}}]}]}",
        "spec.tls[0].match[0].sniHosts[0] host.wildcard",
    ),
    (
        VS,
        "{hosts: [a], tcp: [{match: [{destinationSubnets: [here]}], route: [{destination: {host: b}}]}]}",
        "spec.tcp[0].match[0].destinationSubnets[0] address.invalid",
    ),
    (
        VS,
        "{hosts: [a], tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: b}}]}]}",
        "spec.tcp[0].match[0].sourceSubnet tcp.source-subnet",
    ),
    (VS, "{hosts: [a], tcp: [{}]}", "spec.tcp[0].route route.missing"),
    (
        SE,
        f"{{hosts: [a.b], ports: [{PORT}], resolution: DYNAMIC_DNS, endpoints: [{{address: 10.0.0.1}}]}}",
        "spec.endpoints service-entry.unused",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: DYNAMIC_DNS, ports: [{number: 80, name: x, protocol: TCP}]}",
        "spec.ports[0].protocol service-entry.dynamic-dns",
    ),
    (
        SE,
        "{hosts: [a.b], resolution: DYNAMIC_DNS, ports: [{number: 80, name: x, protocol: HTTP, targetPort: 81}]}",
        "spec.ports[0].targetPort service-entry.target-port",
    ),
    (
        SE,
        f"{{hosts: [a.b], ports: [{PORT}], resolution: STATIC, endpoints: [{{address: 'unix://a'}}]}}",
        "spec.endpoints[0].address endpoint.unix",
    ),
    (
        SE,
        f"{{hosts: [a.b], ports: [{PORT}], resolution: DNS, endpoints: [{{address: 'unix:///a'}}]}}",
        "spec.endpoints[0].address endpoint.unix",
    ),
    (WE, "{}", "spec.address endpoint.address"),
    (WE, "{address: a b}", "spec.address endpoint.address"),
    (WE, "{address: 'unix:///a', ports: {a: 1}}", "spec.ports endpoint.unix"),
    (WG, "{template: {address: 10.0.0.1}}", "spec.template.address workload-group.address"),
    (WG, "{probe: {}}", "spec.probe probe.missing"),
    (WG, "{probe: {exec: {}}}", "spec.probe.exec.command probe.command"),
    (WG, "{probe: {httpGet: {port: 80, path: a}}}", "spec.probe.httpGet.path probe.path"),
    (SVC, "{type: ExternalName, ports: [{port: 80, name: http}]}", "spec.externalName service.external-name"),
]


@pytest.mark.parametrize(("form", "spec", "expected"), CASES, ids=[case[2] for case in CASES])
def test_finding(form: str, spec: str, expected: str) -> None:
    builder = Builder()
    applied(builder, written(form.format(spec)))
    assert expected in [f"{problem.at.dotted} {problem.code}" for problem in builder.problems]


def test_an_object_with_errors_keeps_what_its_last_good_version_said() -> None:
    builder = Builder()
    applied(builder, written(SVC.format("{clusterIP: 10.96.0.1, ports: [{port: 80, name: http}]}")))
    change = applied(builder, written(SVC.format("{clusterIP: 10.96.0.2, ports: [{port: 80}, {port: 80}]}")))
    assert not change.inputs
    (service,) = change.snapshot.rows(Table.SERVICE, ServiceKey("s.shop.svc.cluster.local", "shop"))
    assert service.addresses == ("10.96.0.1",)
    assert builder.problems
    change = applied(builder, (), [service.ref])
    assert not builder.problems
    assert change.snapshot.rows(Table.SERVICE, service.key) == ()
