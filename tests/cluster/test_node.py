"""The cluster itself and the images: what every other test here takes for granted."""

from __future__ import annotations

import json

import pytest

from tests.cluster.cluster import Cluster
from xds import __version__

_RESTRICTED = """\
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      terminationGracePeriodSeconds: 1"""
_NO_RIGHTS = "{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
_ECHO = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: echo}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
{_RESTRICTED}
      containers:
      - name: echo
        image: plait/echo:{__version__}
        args: [--http, "8080"]
        securityContext: {_NO_RIGHTS}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: echo}}
spec: {{selector: {{app: echo}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
_RULES = """
set -e
for program in iptables ip6tables; do
  for kind in "" -nft -legacy; do
    printf '*nat\\n-A OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN\\nCOMMIT\\n' | $program$kind-restore --noflush
    $program$kind-save -t nat
  done
done
"""


def _once(name: str, image: str, command: list[str], security: str) -> str:
    """A pod that runs one command in an image of Plait's and ends."""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: {name}, image: "{image}", command: {json.dumps(command)}, securityContext: {security}}}
"""


def _output(cluster: Cluster, pod: str, namespace: str) -> str:
    """What a pod printed that ended well."""

    def ended() -> str | None:
        phase: str = cluster.get("pod", pod, namespace)["status"]["phase"]
        return phase if phase in {"Succeeded", "Failed"} else None

    phase = cluster.until(f"{pod} ends", ended, within_s=60)
    output = cluster.kubectl("-n", namespace, "logs", pod).stdout
    assert phase == "Succeeded", output
    return output


def test_a_service_answers_by_name_from_every_pod_of_it(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    cluster.apply(_ECHO, namespace)
    cluster.rolled_out("echo", namespace)
    pods = {pod["metadata"]["name"] for pod in cluster.get("pods", namespace=namespace)["items"]}
    seen = set[str]()

    def all_answered() -> bool:
        seen.add(cluster.fetch(f"http://echo.{namespace}", "deployment/echo", namespace)["pod"])
        return seen == pods

    assert len(pods) == 2
    cluster.until("every pod answers", all_answered)


@pytest.mark.parametrize(
    "image, command, says",
    [
        (f"plait/plait:{__version__}", ["plait", "--version"], __version__),
        ("envoyproxy/envoy:v1.40.0", ["sh", "-c", "exec envoy --version"], "1.40.0"),
    ],
    ids=["plait", "envoy"],
)
def test_an_image_runs_without_rights(
    cluster: Cluster, namespace: str, image: str, command: list[str], says: str
) -> None:
    security = _NO_RIGHTS.replace("{", "{runAsUser: 1337, ", 1)
    cluster.apply(_once("once", image, command, security), namespace)
    assert says in _output(cluster, "once", namespace)


def test_the_init_image_writes_both_kinds_of_rules(cluster: Cluster, namespace: str) -> None:
    security = (
        "{runAsUser: 0, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, "
        "capabilities: {drop: [ALL], add: [NET_ADMIN, NET_RAW]}}"
    )
    cluster.apply(_once("init", f"plait/init:{__version__}", ["sh", "-c", _RULES], security), namespace)
    rules = _output(cluster, "init", namespace).count("-A OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN")
    assert rules == 8  # the unnamed kind is nftables: its rule is there twice when the second one is written
