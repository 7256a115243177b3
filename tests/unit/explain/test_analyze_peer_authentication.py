"""What analysis finds of PeerAuthentications and RequestAuthentications between objects."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.analyze import analyze

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}}
spec: {containers: []}
status: {podIP: 10.244.0.1, phase: Running}
---
"""


def policy(spec: str, *, name: str = "b", namespace: str = "shop", kind: str = "PeerAuthentication") -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"{{apiVersion: security.istio.io/v1, kind: {kind}, metadata: {metadata}, spec: {spec}}}\n---\n"


APP = "selector: {matchLabels: {app: web}}"
STRICT = "mtls: {mode: STRICT}"
CASES = {
    "one for each scope": (
        policy(f"{{{STRICT}}}", namespace="istio-system")
        + policy(f"{{{STRICT}}}")
        + policy(f"{{{APP}, {STRICT}, portLevelMtls: {{'8080': {{mode: DISABLE}}}}}}", name="c"),
        [],
    ),
    "a selector in the root namespace": (
        policy(f"{{{APP}, {STRICT}}}", namespace="istio-system"),
        ["warning spec.selector peer-authentication.selector-in-root"],
    ),
    "nobody selected": (
        policy(f"{{selector: {{matchLabels: {{app: wep}}}}, {STRICT}}}"),
        ["warning spec.selector peer-authentication.nobody-selected"],
    ),
    "nobody to select": (policy(f"{{{APP}, {STRICT}}}", namespace="empty"), []),
    "two of a namespace": (
        policy(f"{{{STRICT}}}") + policy("{mtls: {mode: DISABLE}}", name="c"),
        ["warning spec.mtls peer-authentication.twice"],
    ),
    "two of a workload": (
        policy(f"{{{APP}, {STRICT}}}") + policy(f"{{selector: {{matchLabels: {{version: v1}}}}, {STRICT}}}", name="c"),
        ["warning spec.selector peer-authentication.twice"],
    ),
    "two of the same labels, which nobody has yet": (
        policy(f"{{{APP}, {STRICT}}}", namespace="empty") + policy(f"{{{APP}, {STRICT}}}", name="c", namespace="empty"),
        ["warning spec.selector peer-authentication.twice"],
    ),
    "the port of the service, where the pod's is meant": (
        policy(f"{{{APP}, portLevelMtls: {{'80': {{mode: DISABLE}}}}}}"),
        ["info spec.portLevelMtls.80 peer-authentication.port-of-no-service"],
    ),
    "a star in a selector": (
        policy(f"{{selector: {{matchLabels: {{app: 'we*'}}}}, {STRICT}}}"),
        ["error spec.selector.matchLabels.app policy.selector-star"],
    ),
    "tokens for nobody": (
        policy("{selector: {matchLabels: {app: wep}}}", kind="RequestAuthentication"),
        ["warning spec.selector jwt.nobody-selected"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=list(CASES))
def test_findings(text: str, expected: list[str]) -> None:
    builder = Builder()
    change = applied(builder, written(WEB + text))
    found = analyze(change.snapshot, builder.problems)
    assert [f"{problem.severity.value} {problem.at.dotted} {problem.code}" for problem in found] == expected
