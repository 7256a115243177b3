"""``plait dashboard`` of a cluster with two replicas of the control plane: all of the mesh, and who may act on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.cluster import pods
from tests.cluster.cluster import Cluster
from tests.cluster.plait import PLAIT, installed

NAMESPACE: Final = f"looked-at-{os.getpid()}"
ROUTE: Final = {"group": "networking.istio.io", "kind": "VirtualService", "namespace": NAMESPACE, "name": "web"}
REQUESTS: Final = 200
_CALL: Final = """
import sys, urllib.request
for _ in range(int(sys.argv[1])): urllib.request.urlopen("http://web/", timeout=5).read()
"""
_RULE: Final = {"apiGroups": [ROUTE["group"]], "resources": ["virtualservices"], "verbs": ["update"]}
_STAGED: Final = {
    "apiVersion": "networking.istio.io/v1",
    "kind": ROUTE["kind"],
    "metadata": {"name": "web", "annotations": {"plait.dev/rollout": "staged"}},
    "spec": {"hosts": ["web"], "http": [{"timeout": "7s", "route": [{"destination": {"host": "web"}}]}]},
}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """Two replicas, and two workloads of several pods, so that each replica is likely to have some of the proxies."""
    web = pods.pod("web", pods.echo("web", "--http", "8080", readinessProbe=pods.READY))
    client = pods.pod("client", pods.echo("client", "--http", "8080", readinessProbe=pods.READY))
    with installed(cluster, "--set", "replicas=2"), contextlib.ExitStack() as afterwards:
        cluster.kubectl("create", "namespace", NAMESPACE)
        afterwards.callback(cluster.kubectl, "delete", "namespace", NAMESPACE, "--wait=true", within_s=120)
        cluster.kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled")
        pods.apply(cluster, NAMESPACE, pods.deployment(web, 2), pods.deployment(client, 3), pods.service("web", 8080))
        pods.apply(cluster, NAMESPACE, *(_account(name) for name in ("writer", "reader")), *_may_write("writer"))
        for name in ("web", "client"):
            cluster.rolled_out(name, NAMESPACE)
        yield cluster


def _account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def _may_write(account: str) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    named = {"apiVersion": f"{group}/v1", "metadata": {"name": account}}
    reference = {"apiGroup": group, "kind": "Role", "name": account}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]
    role = {**named, "kind": "Role", "rules": [_RULE]}
    return [role, {**named, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects}]


@contextlib.contextmanager
def dashboard(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client of the page that the command serves."""
    words = [*PLAIT, "dashboard", "--kubeconfig", str(cluster.kubeconfig), "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().partition("/dashboard/ shows ")[0]
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                yield client
        finally:
            process.terminate()


def told(page: httpx.Client, path: str, **query: str) -> Any:
    answer = page.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_shows_the_proxies_and_the_traffic_of_all_replicas(mesh: Cluster) -> None:
    client = mesh.get("pods", namespace=NAMESPACE)["items"]
    one = next(each["metadata"]["name"] for each in client if each["metadata"]["labels"]["app"] == "client")
    mesh.exec(one, NAMESPACE, ["python3", "-c", _CALL, str(REQUESTS)], "client")
    with dashboard(mesh) as page:
        assert "<title>Plait</title>" in page.get("/dashboard/").text
        overview = told(page, "/dashboard/api/overview")
        assert overview["replicas"] == {"shown": 2, "known": 2}
        assert overview["login"]
        proxies = told(page, "/dashboard/api/proxies")
        assert len(proxies) == overview["proxies"]
        assert len({each["name"] for each in proxies if each["namespace"] == NAMESPACE}) == 5

        def counted(path: str) -> int:
            edges = told(page, path, window="1h")["edges"]
            ends = {"source": f"{NAMESPACE}/client", "destination": f"{NAMESPACE}/web"}
            return sum(each["signals"]["requests"] for each in edges if ends.items() <= each.items())

        mesh.until("all requests are told of", lambda: counted("/debug/telemetry/graph") == REQUESTS, within_s=60)
        host = f"web.{NAMESPACE}.svc.cluster.local"

        def charted() -> int:
            points = told(page, "/debug/telemetry/series", service=host, window="1h")["points"]
            return sum(each["requests"] for each in points)

        mesh.until("all requests are in the charts", lambda: charted() == REQUESTS, within_s=90)
        [service] = [each for each in told(page, "/debug/telemetry/services", window="1h") if each["host"] == host]
        assert service["signals"]["requests"] == REQUESTS
        mesh.until(
            "the page of the service has routes", lambda: told(page, "/dashboard/api/service", host=host)["seen_by"]
        )


def test_who_may_write_may_act_and_others_may_not(mesh: Cluster) -> None:
    tokens = {name: mesh.kubectl("-n", NAMESPACE, "create", "token", name).stdout for name in ("writer", "reader")}
    mesh.apply(json.dumps(_STAGED), NAMESPACE)
    with dashboard(mesh) as page:

        def act(what: str, token: str, **query: str) -> httpx.Response:
            sent = {"authorization": f"Bearer {token.strip()}"} if token else {}
            return page.post(f"/dashboard/api/{what}", headers=sent, params=query)

        def held() -> bool:
            return any(each["name"] == "web" for each in told(page, "/debug/rollouts")["held"])

        mesh.until("the route rolls out", held)
        for name, token in tokens.items():
            answer = act("login", token)
            assert answer.json() == {"user": f"system:serviceaccount:{NAMESPACE}:{name}"}
        assert act("login", "nobody's").status_code == 401
        assert act("rollouts/promote", "", **ROUTE).status_code == 401
        refused = act("rollouts/promote", tokens["reader"], **ROUTE)
        assert (refused.status_code, "may not update" in refused.json()["error"]) == (403, True)
        assert held()
        done = act("rollouts/promote", tokens["writer"], **ROUTE)
        assert (done.status_code, done.json()[0]["name"]) == (200, "web")
        mesh.until("nothing is held back", lambda: not held())
