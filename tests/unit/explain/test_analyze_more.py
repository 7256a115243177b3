"""Findings of istioctl that are about more than one field: each where it is meant, and none beside it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import analyze

NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}"
PLAIN = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"


def manifest(kind: str, spec: str, *, name: str = "a", namespace: str = "shop", metadata: str = "") -> str:
    versions = {
        "Service": "v1",
        "Pod": "v1",
        "Telemetry": "telemetry.istio.io/v1",
        "MeshConfig": "mesh.istio.io/v1alpha1",
    }
    version = versions.get(kind, "networking.istio.io/v1")
    more = f", {metadata}" if metadata else ""
    head = f"apiVersion: {version}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}{more}}}"
    return f"{{{head}, spec: {spec}}}"


def found(*texts: str) -> list[Any]:
    builder = Builder()
    objects = [made(plain) for text in texts for plain in yaml.safe_load_all(text)]
    change = applied(builder, objects)
    return list(analyze(change.snapshot, builder.problems))


def codes(*texts: str) -> list[str]:
    return sorted({each.code for each in found(*texts)})


def pod(name: str = "p", spec: str = "containers: [{name: app, image: web}]", metadata: str = "") -> str:
    text = yaml.safe_load(manifest("Pod", f"{{{spec}}}", name=name, metadata=metadata))
    return yaml.safe_dump({**text, "status": {"phase": "Running"}})


def annotated(annotations: str) -> str:
    return f"annotations: {{{annotations}}}"


@pytest.mark.parametrize(
    ("annotations", "code"),
    [
        ("networking.istio.io/exportTo: '.'", None),
        ("example.com/istio.io: x", None),
        ("networking.istio.io/exportTO: '.'", "annotation.unknown"),
        ("sidecar.istio.io/inject: 'true'", "annotation.kind"),
    ],
)
def test_annotations_of_a_service(annotations: str, code: str | None) -> None:
    service = manifest("Service", "{ports: [{name: http, port: 80}]}", metadata=annotated(annotations))
    assert codes(service) == ([code] if code else [])


@pytest.mark.parametrize(
    ("annotations", "must"),
    [
        ("traffic.sidecar.istio.io/includeInboundPorts: '*'", ""),
        ("traffic.sidecar.istio.io/excludeOutboundPorts: '80, 443'", ""),
        ("traffic.sidecar.istio.io/excludeOutboundPorts: 'eighty'", "must be ports with commas"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts: '70000'", "must be ports with commas"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges: '10.0.0.0/8,fd00::/8'", ""),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges: '10.0.0.0/99'", "must be IP ranges"),
        ("sidecar.istio.io/interceptionMode: REDIRECTED", "must be REDIRECT, TPROXY or NONE, is 'REDIRECTED'"),
        ("sidecar.istio.io/inject: maybe", "must be true or false"),
        ("readiness.status.sidecar.istio.io/periodSeconds: 2s", "must be a whole number"),
    ],
)
def test_values_of_annotations(annotations: str, must: str) -> None:
    of_pod = [each for each in found(NAMESPACE, pod(metadata=annotated(annotations))) if each.code.startswith("annot")]
    assert [each.code for each in of_pod] == (["annotation.value"] if must else [])
    assert all(must in each.message for each in of_pod)


def test_pods_of_one_maker_are_told_of_once() -> None:
    owner = "ownerReferences: [{apiVersion: v1, kind: ReplicaSet, name: web, controller: true}], "
    wrong = owner + annotated("sidecar.istio.io/injekt: 'true'")
    told = found(NAMESPACE, pod("a", metadata=wrong), pod("b", metadata=wrong))
    (one,) = [each for each in told if each.code == "annotation.unknown"]
    assert "did you mean sidecar.istio.io/inject?" in one.message
    assert "1 more of its pods" in one.message


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (
            "containers: [{name: app, securityContext: {runAsUser: 1337}}]",
            "spec.containers[0].securityContext.runAsUser",
        ),
        (
            "securityContext: {runAsUser: 1337}, containers: [{name: app}]",
            "spec.containers[0].securityContext.runAsUser",
        ),
        ("securityContext: {runAsUser: 1337}, containers: [{name: app, securityContext: {runAsUser: 1}}]", ""),
        ("containers: [{name: istio-proxy, securityContext: {runAsUser: 1337}}]", ""),
    ],
)
def test_who_runs_as_the_proxy(spec: str, field: str) -> None:
    told = [each.at.dotted for each in found(NAMESPACE, pod(spec=spec)) if each.code == "injection.user-of-proxy"]
    assert told == ([field] if field else [])


def test_an_image_that_nobody_has_filled_in() -> None:
    assert "injection.image-auto" in codes(NAMESPACE, pod(spec="containers: [{name: app, image: auto}]"))
    injected = pod(spec="containers: [{name: istio-proxy, image: auto}]")
    assert "injection.image-auto" not in codes(NAMESPACE, injected)


def test_namespaces() -> None:
    assert codes(PLAIN, pod()) == ["namespace.not-enabled"]
    assert codes(PLAIN) == []
    assert codes(PLAIN, pod(metadata="labels: {sidecar.istio.io/inject: 'true'}")) == ["injection.missing-sidecar"]
    both = PLAIN.replace("name: shop", "name: shop, labels: {istio-injection: disabled, istio.io/rev: a}")
    assert codes(both, pod()) == ["namespace.two-labels"]


SELECTED = "{{clusterIP: {0}, selector: {{app: a}}, ports: [{{name: {1}, port: {2}, targetPort: {3}}}]}}"


def test_two_ports_that_lead_to_one() -> None:
    one = manifest("Service", SELECTED.format("10.0.0.1", "http", 80, 8080))
    other = manifest("Service", SELECTED.format("10.0.0.2", "http", 81, 8080), name="b")
    (told,) = [each for each in found(one, other) if each.code == "service.target-shared"]
    assert str(told.at) == "Service shop/b spec.ports[0]"
    same = manifest("Service", SELECTED.format("10.0.0.2", "http", 80, 8080), name="b")
    elsewhere = manifest("Service", SELECTED.format("10.0.0.2", "http", 81, 8081), name="b")
    assert codes(one, same) == codes(one, elsewhere) == []


def test_tcp_ports_of_a_name_alone() -> None:
    spec = "{{type: ExternalName, externalName: db.example, ports: [{{name: {0}, port: 5432}}]}}"
    assert codes(manifest("Service", spec.format("tcp-db"))) == ["service.external-name-tcp"]
    assert codes(manifest("Service", spec.format("http-db"))) == []


def test_entries_that_disagree() -> None:
    spec = (
        "{{hosts: [api.example], resolution: DNS, exportTo: ['{1}'], ports: [{{number: 443, name: x, protocol: {0}}}]}}"
    )
    first = manifest("ServiceEntry", spec.format("TLS", "*"), namespace="a")
    assert codes(first, manifest("ServiceEntry", spec.format("HTTP", "*"), namespace="b")) == [
        "service-entry.protocol-clash"
    ]
    assert codes(first, manifest("ServiceEntry", spec.format("TLS", "*"), namespace="b")) == []
    hidden = manifest("ServiceEntry", spec.format("TLS", "."), namespace="a")
    assert codes(hidden, manifest("ServiceEntry", spec.format("HTTP", "."), namespace="b")) == []


WEB = manifest("Service", "{clusterIP: 10.0.0.9, ports: [{name: http, port: 80}]}", name="web")


def test_tls_that_believes_anybody() -> None:
    rule = "{{host: web, trafficPolicy: {{tls: {{mode: SIMPLE{0}}}}}}}"
    (told,) = found(WEB, manifest("DestinationRule", rule.format(", insecureSkipVerify: true")))
    assert (told.code, told.at.dotted) == ("tls.unverified", "spec.trafficPolicy.tls.insecureSkipVerify")
    assert codes(WEB, manifest("DestinationRule", rule.format(""))) == []


SERVER = (
    "{{selector: {{app: edge}}, servers: [{{port: {{number: {2}, name: p, protocol: HTTPS}}, hosts: [{0}], "
    "tls: {{mode: {3}, credentialName: {1}}}}}]}}"
)


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (("b.example", "cert", 443, "SIMPLE"), True),
        (("a.example", "cert", 443, "SIMPLE"), False),
        (("b.example", "other", 443, "SIMPLE"), False),
        (("b.example", "cert", 8443, "SIMPLE"), False),
    ],
)
def test_a_certificate_of_two_gateways(other: tuple[Any, ...], shared: bool) -> None:
    first = manifest("Gateway", SERVER.format("a.example", "cert", 443, "SIMPLE"))
    told = found(first, manifest("Gateway", SERVER.format(*other), name="b"))
    places = [str(each.at) for each in told if each.code == "gateway.certificate-shared"]
    assert places == (["Gateway shop/b spec.servers[0].tls.credentialName"] if shared else [])


def test_a_certificate_of_many_gateways_is_told_of_once_each() -> None:
    hosts = ("a.example", "a.example", "b.example", "c.example")
    every = [
        manifest("Gateway", SERVER.format(host, "cert", 443, "SIMPLE"), name=f"g{i}") for i, host in enumerate(hosts)
    ]
    told = [each for each in found(*every) if each.code == "gateway.certificate-shared"]
    assert [each.at.object.name for each in told] == ["g2", "g3"]
    assert all("as Gateway shop/g0 does" in each.message for each in told)


RULE = manifest("DestinationRule", "{host: web, subsets: [{name: v1, labels: {v: '1'}}]}")
EDGE = manifest("Gateway", "{servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: ['*']}]}", name="edge")
INSIDE = "{{hosts: [web], gateways: [{0}], http: [{{route: [{{destination: {{host: web, subset: v1}}}}]}}]}}"
OUTSIDE = "{{hosts: [web.example], gateways: [edge], http: [{{route: [{{destination: {{host: web{0}}}}}]}}]}}"


@pytest.mark.parametrize(
    ("inside", "outside", "told"),
    [("mesh", "", True), ("mesh, edge", "", False), ("mesh", ", subset: v1", False)],
)
def test_subsets_that_only_the_mesh_is_sent_to(inside: str, outside: str, told: bool) -> None:
    routes = (
        manifest("VirtualService", INSIDE.format(inside), name="inside"),
        manifest("VirtualService", OUTSIDE.format(outside), name="outside"),
    )
    assert ("virtual-service.subsets-of-mesh" in codes(WEB, RULE, EDGE, *routes)) is told


def test_telemetry() -> None:
    everyone = manifest("Telemetry", "{accessLogging: [{providers: [{name: envoy}]}]}")
    assert codes(everyone) == []
    again = manifest("Telemetry", "{accessLogging: [{disabled: true}]}", name="b")
    (told,) = found(everyone, again)
    assert (str(told.at), told.code) == ("Telemetry shop/b spec", "telemetry.twice")
    assert codes(manifest("Telemetry", "{accessLogging: [{providers: [{name: nobody}]}]}")) == [
        "telemetry.no-such-provider"
    ]
    assert codes(manifest("Telemetry", "{tracing: [{randomSamplingPercentage: 5}]}")) == ["telemetry.no-provider"]
    selected = manifest("Telemetry", "{selector: {matchLabels: {app: web}}, accessLogging: [{disabled: true}]}")
    assert codes(selected, NAMESPACE, pod()) == ["injection.missing-sidecar", "telemetry.nobody-selected"]
