"""Two control planes side by side: namespaces move from one to the other and back, and it is replaced, under load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import installed, plait, refused

ROOT: Final = "istio-system"
CANARY: Final = ("--revision", "canary")
MOVED: Final = "stock"
STAYS: Final = "stall"
CLIENT: Final = "deployment/client"
_WORKLOAD: Final = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  strategy: {{rollingUpdate: {{maxSurge: 2}}}}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: echo
        image: plait/echo:0.1.0
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
"""
_POLICIES: Final = """
apiVersion: v1
kind: Service
metadata: {name: stock}
spec: {selector: {app: stock}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: stock}
spec: {hosts: [stock.stock.svc.cluster.local], http: [{route: [{destination: {host: stock}}]}]}
"""


@pytest.fixture(scope="module")
def revisions(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with the revisions ``default`` and ``canary``, a caller in one namespace and a server in another."""
    with installed(cluster), installed(cluster, *CANARY):
        for name, app, replicas in ((STAYS, "client", 1), (MOVED, "stock", 2)):
            cluster.kubectl("create", "namespace", name)
            cluster.kubectl("label", "namespace", name, "istio-injection=enabled")
            cluster.until("its account", partial(cluster.get, "serviceaccount", "default", name))
            cluster.apply(_WORKLOAD.format(name=app, replicas=replicas), name)
        cluster.apply(_POLICIES, MOVED)
        cluster.rolled_out("client", STAYS)
        cluster.rolled_out("stock", MOVED)
        yield cluster
        cluster.kubectl("delete", "namespace", MOVED, STAYS, "--wait=false")


def load(revisions: Cluster) -> Load:
    return Load(revisions, CLIENT, STAYS, "stock.stock")


def pods(revisions: Cluster, namespace: str) -> set[str]:
    """The pods of a namespace that are not on their way out."""
    found = revisions.get("pods", namespace=namespace)["items"]
    return {each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]}


def served_by(revisions: Cluster, revision: str) -> set[str]:
    """The pods that are connected to a revision."""
    status = plait(revisions, "proxy-status", "--revision", revision, "-o", "json")
    return {each["name"] for each in json.loads(status)}


def move(revisions: Cluster, *labels: str, to: str) -> None:
    """Label the namespace, restart its pods, and see that revision ``to`` serves all of them, and nobody else does."""
    revisions.kubectl("label", "namespace", MOVED, "--overwrite", *labels)
    revisions.kubectl("-n", MOVED, "rollout", "restart", "deployment/stock")
    revisions.rolled_out("stock", MOVED)
    other = {"default": "canary", "canary": "default"}[to]
    revisions.until(f"{to} serves them", lambda: pods(revisions, MOVED) <= served_by(revisions, to))
    assert not pods(revisions, MOVED) & served_by(revisions, other)


def conditions(revisions: Cluster) -> dict[str, Any]:
    """The conditions of the VirtualService, by type."""
    found = revisions.get("virtualservice", "stock", MOVED).get("status", {}).get("conditions", [])
    return {each["type"]: each for each in found}


def test_a_namespace_moves_and_comes_back_under_load(revisions: Cluster) -> None:
    with load(revisions) as moving:
        move(revisions, "istio-injection-", "istio.io/rev=canary", to="canary")
        headers = revisions.fetch("http://stock.stock/", CLIENT, STAYS)["headers"]
        assert "URI=spiffe://cluster.local/ns/stall/sa/default" in headers["x-forwarded-client-cert"]
        move(revisions, "istio.io/rev-", "istio-injection=enabled", to="default")
    assert not moving.outcome.bad, moving.outcome
    assert moving.outcome.requests > 500


def _each_revision_counts_its_own(revisions: Cluster) -> None:
    def counted() -> bool:
        found = conditions(revisions)
        assert set(found) == {"Accepted", "Live", "canary.plait/Accepted", "canary.plait/Live"}
        return (found["Live"]["message"], found["canary.plait/Live"]["message"]) == ("Live 1 of 1", "Live 2 of 2")

    revisions.until("each counts its own proxies", counted, within_s=45)
    before = revisions.get("virtualservice", "stock", MOVED)["metadata"]["resourceVersion"]
    plait(revisions, "proxy-status")  # takes some rounds of both, in which nobody has anything to write
    plait(revisions, "tag", "list")
    assert revisions.get("virtualservice", "stock", MOVED)["metadata"]["resourceVersion"] == before


def test_a_tag_moves_the_namespaces_that_name_it(revisions: Cluster) -> None:
    plait(revisions, "tag", "set", "prod", *CANARY)
    with load(revisions) as moving:
        move(revisions, "istio-injection-", "istio.io/rev=prod", to="canary")
        _each_revision_counts_its_own(revisions)
        assert f"used by namespaces {MOVED}" in refused(revisions, "tag", "remove", "prod")
        assert f"injects namespaces {MOVED}" in refused(revisions, "uninstall", *CANARY)
        plait(revisions, "tag", "set", "prod", "--revision", "default")
        move(revisions, "istio.io/rev=prod", to="default")
    assert not moving.outcome.bad, moving.outcome
    revisions.kubectl("label", "namespace", MOVED, "istio.io/rev-", "istio-injection=enabled")
    plait(revisions, "tag", "remove", "prod")


def test_an_upgrade_in_place_costs_nothing(revisions: Cluster) -> None:
    before = pods(revisions, ROOT)
    with load(revisions) as upgraded:
        plait(revisions, "install", "--set", "logLevel=debug", "--set", "replicas=2")
        plait(revisions, "install")
        revisions.until("one is left of each", lambda: len(pods(revisions, ROOT)) == len(before))
        revisions.kubectl("-n", MOVED, "rollout", "restart", "deployment/stock")
        revisions.rolled_out("stock", MOVED)
    assert not upgraded.outcome.bad, upgraded.outcome
    assert len(pods(revisions, ROOT) - before) == 1


def test_a_revision_goes_only_when_nobody_uses_it_and_alone(revisions: Cluster) -> None:
    revisions.kubectl("label", "namespace", MOVED, "istio-injection-", "istio.io/rev=canary")
    said = refused(revisions, "uninstall", *CANARY)
    assert f"injects namespaces {MOVED}" in said
    revisions.kubectl("label", "namespace", MOVED, "istio.io/rev-", "istio-injection=enabled")
    before = installation(revisions, "default")
    with load(revisions) as going:
        plait(revisions, "uninstall", *CANARY)
        assert not installation(revisions, "canary")
        assert set(conditions(revisions)) == {"Accepted", "Live"}
        revisions.kubectl("-n", MOVED, "rollout", "restart", "deployment/stock")
        revisions.rolled_out("stock", MOVED)
    assert not going.outcome.bad, going.outcome
    assert installation(revisions, "default") == before
    assert revisions.get("secret", "plait-ca", ROOT)


def installation(revisions: Cluster, revision: str) -> set[tuple[str, str, str]]:
    """Kind, name and uid of all that is installed of a revision; pods and what the control plane writes are not."""
    kinds = revisions.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    kinds = [each for each in kinds if each.partition(".")[0] not in _MADE]
    label = f"app.kubernetes.io/part-of=plait,istio.io/rev={revision}"
    found = json.loads(revisions.kubectl("get", ",".join(kinds), "-A", "-l", label, "-o", "json").stdout)["items"]
    return {(each["kind"], each["metadata"]["name"], each["metadata"]["uid"]) for each in found}


_MADE: Final = frozenset(
    {"pods", "replicasets", "endpoints", "endpointslices", "events", "leases", "customresourcedefinitions"}
)
