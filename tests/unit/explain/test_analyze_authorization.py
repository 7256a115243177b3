"""What analysis finds of AuthorizationPolicies between objects."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.analyze import analyze

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp-db, port: 9000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: []}
status: {podIP: 10.244.0.1, phase: Running}
---
"""
MESH = """
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: {name: default, namespace: istio-system}
spec:
  trustDomain: own.example
  trustDomainAliases: [old.example]
  extensionProviders:
  - {name: opa, envoyExtAuthzGrpc: {service: opa.auth.svc.cluster.local, port: 9191}}
  - {name: http, envoyExtAuthzHttp: {service: opa.auth.svc.cluster.local, port: 80}}
---
"""


def policy(spec: str, *, namespace: str = "shop") -> str:
    metadata = f"{{name: p, namespace: {namespace}}}"
    return f"{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {metadata}, spec: {spec}}}\n---\n"


CASES = {
    "all is well": (
        policy(
            "{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {principals: ["
            "cluster.local/ns/shop/sa/default, own.example/ns/shop/sa/default, "
            "old.example/ns/shop/sa/default, '*/sa/a', '*']}}]}]}"
        ),
        [],
    ),
    "an authorizer that is known": (policy("{action: CUSTOM, provider: {name: opa}, rules: [{}]}"), []),
    "an authorizer that is not": (
        policy("{action: CUSTOM, provider: {name: opera}, rules: [{}]}"),
        ["error spec.provider.name authorization.provider-unknown"],
    ),
    "an authorizer over HTTP": (
        policy("{action: CUSTOM, provider: {name: http}, rules: [{to: [{operation: {paths: [/a]}}]}]}"),
        ["warning spec.provider.name authorization.not-asked-on-tcp"],
    ),
    "an authorizer over HTTP for the port with HTTP": (
        policy("{action: CUSTOM, provider: {name: http}, rules: [{to: [{operation: {ports: ['80']}}]}]}"),
        [],
    ),
    "two authorizers": (
        policy("{action: CUSTOM, provider: {name: opa}, rules: [{}]}")
        + policy("{action: CUSTOM, provider: {name: opera}, rules: [{}]}", namespace="istio-system"),
        [
            "error spec.provider.name authorization.provider-twice",
            "error spec.provider.name authorization.provider-unknown",
            "error spec.provider.name authorization.provider-twice",
        ],
    ),
    "nobody selected": (
        policy("{selector: {matchLabels: {app: wep}}, rules: [{to: [{operation: {methods: [GET]}}]}]}"),
        ["warning spec.selector authorization.nobody-selected"],
    ),
    "nobody selected in all of the mesh": (
        policy("{selector: {matchLabels: {app: wep}}}", namespace="istio-system"),
        ["warning spec.selector authorization.nobody-selected"],
    ),
    "nobody to select": (policy("{selector: {matchLabels: {app: wep}}}", namespace="empty"), []),
    "a DENY of paths": (
        policy("{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}"),
        ["warning spec.rules[0] authorization.wider-on-tcp"],
    ),
    "a DENY of paths on the port for HTTP": (
        policy("{action: DENY, rules: [{to: [{operation: {paths: [/admin], ports: ['80']}}]}]}"),
        [],
    ),
    "a DENY of paths everywhere but there": (
        policy(
            "{action: DENY, rules: [{to: [{operation: {paths: [/]}}], "
            "when: [{key: destination.port, notValues: ['9000']}]}]}"
        ),
        [],
    ),
    "an ALLOW of paths": (
        policy("{rules: [{to: [{operation: {paths: [/a], notPorts: ['1']}}]}]}"),
        ["info spec.rules[0] authorization.never-on-tcp"],
    ),
    "an ALLOW of paths on the port for TCP": (
        policy("{rules: [{to: [{operation: {paths: [/a], ports: ['9000']}}]}]}", namespace="istio-system"),
        ["warning spec.rules[0] authorization.never-on-tcp"],
    ),
    "callers of another mesh": (
        policy(
            "{rules: [{from: [{source: {namespaces: [shop], notPrincipals: [x/ns/a/sa/b]}}]}, "
            "{when: [{key: source.ip, values: [10.0.0.1]}, {key: source.principal, values: ['*', y/ns/a/sa/b]}]}]}"
        ),
        [
            "warning spec.rules[0].from[0].source.notPrincipals[0] authorization.foreign-trust-domain",
            "warning spec.rules[1].when[1].values[1] authorization.foreign-trust-domain",
        ],
    ),
    "callers of no namespace": (
        policy(
            "{rules: [{from: [{source: {namespaces: [shopp, 'sh*']}}]}, "
            "{from: [{source: {serviceAccounts: [shopp/a]}}]}, "
            "{when: [{key: source.principal, notValues: [cluster.local/ns/shopp/sa/a]}]}]}"
        ),
        [
            "warning spec.rules[0].from[0].source.namespaces[0] authorization.namespace-unknown",
            "warning spec.rules[1].from[0].source.serviceAccounts[0] authorization.namespace-unknown",
            "warning spec.rules[2].when[0].notValues[0] authorization.namespace-unknown",
        ],
    ),
    "callers whom nobody is": (
        policy(
            "{rules: [{from: [{source: {principals: [own.example/ns/shop/sa/defalt, 'cluster.local/ns/shop/sa/*']}}, "
            "{source: {serviceAccounts: [defalt, default]}}]}]}"
        ),
        [
            "info spec.rules[0].from[0].source.principals[0] authorization.account-unknown",
            "info spec.rules[0].from[1].source.serviceAccounts[0] authorization.account-unknown",
        ],
    ),
    "an id as certificates have it": (
        policy("{rules: [{from: [{source: {principals: ['spiffe://own.example/ns/shop/sa/default']}}]}]}"),
        ["warning spec.rules[0].from[0].source.principals[0] authorization.principal"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=list(CASES))
def test_findings(text: str, expected: list[str]) -> None:
    builder = Builder()
    change = applied(builder, written(MESH + WEB + text))
    found = analyze(change.snapshot, builder.problems)
    assert [f"{problem.severity.value} {problem.at.dotted} {problem.code}" for problem in found] == expected
