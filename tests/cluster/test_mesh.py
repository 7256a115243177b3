"""The mesh in a real cluster, as its users have it: installed, injected, changed, restarted, and hurt, under load."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import installed, plait
from xds.testing.answers import likely

SHOP: Final = Path(__file__).resolve().parents[2] / "examples" / "shop"
ROOT: Final = "istio-system"
CLIENT: Final = "deployment/client"


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with two replicas of the control plane, and the shop."""
    with installed(cluster, "--set", "replicas=2"):
        cluster.kubectl("apply", "-f", str(SHOP))
        for name in ("client", "cart-v1", "catalog-v1", "catalog-v2", "reviews-v1"):
            cluster.rolled_out(name, "shop")
        yield cluster
        cluster.kubectl("delete", "namespace", "shop", "--wait=true", within_s=120)


def shopping(mesh: Cluster) -> Load:
    return Load(mesh, CLIENT, "shop", "catalog")


def answer(mesh: Cluster, url: str = "http://catalog/") -> dict[str, Any]:
    return mesh.fetch(url, CLIENT, "shop")


def condition(mesh: Cluster, kind: str, name: str, wanted: str) -> dict[str, Any]:
    """A condition of an object in shop; empty while it has none."""
    conditions = mesh.get(kind, name, "shop").get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == wanted), {})


def leader(mesh: Cluster) -> str:
    """The pod that leads; empty while none does."""
    return str(mesh.get("lease", "plait-leader", ROOT)["spec"].get("holderIdentity") or "")


def test_traffic_is_mutual_tls_and_split_as_the_manifest_says(mesh: Cluster) -> None:
    assert "URI=spiffe://cluster.local/ns/shop/sa/default" in answer(mesh)["headers"]["x-forwarded-client-cert"]
    with shopping(mesh) as load:
        time.sleep(5)  # the load itself
    assert not load.outcome.bad
    assert load.outcome.requests > 50
    assert load.outcome.seen["v2"] in likely(load.outcome.requests, 0.1)


def test_objects_say_on_how_many_proxies_they_are_live(mesh: Cluster) -> None:
    proxies = len(mesh.get("pods", namespace="shop")["items"])

    def live() -> bool:
        found = condition(mesh, "virtualservice", "catalog", "Live")
        return found.get("message") == f"Live {proxies} of {proxies}" and found["status"] == "True"

    mesh.until("the route is live everywhere", live)
    assert condition(mesh, "virtualservice", "catalog", "Accepted")["status"] == "True"


def test_a_rolling_restart_costs_no_request(mesh: Cluster) -> None:
    with shopping(mesh) as load:
        for name in ("catalog-v1", "catalog-v2"):
            mesh.kubectl("-n", "shop", "rollout", "restart", f"deployment/{name}")
        for name in ("catalog-v1", "catalog-v2"):
            mesh.rolled_out(name, "shop")
        mesh.until("the old pods are gone", lambda: len(_pods(mesh, "catalog")) == 3, within_s=60)
    assert not load.outcome.bad, load.outcome
    assert load.outcome.requests > 200


def test_killing_the_leader_costs_nothing_and_another_leads(mesh: Cluster) -> None:
    before = mesh.until("somebody leads", lambda: leader(mesh))
    with shopping(mesh) as load:
        mesh.kubectl("-n", ROOT, "delete", "pod", before, "--grace-period=0", "--force")
        mesh.until("another leads", lambda: leader(mesh) not in ("", before), within_s=15)
        mesh.rolled_out("plait", ROOT)
        mesh.kubectl("-n", "shop", "rollout", "restart", "deployment/catalog-v1")
        mesh.rolled_out("catalog-v1", "shop")
    assert not load.outcome.bad, load.outcome


def test_an_api_server_that_does_not_answer_costs_nothing(mesh: Cluster) -> None:
    if not mesh.node:
        pytest.skip("the API server of a cluster that was given cannot be stopped from here")
    with shopping(mesh) as load:
        mesh.on_node("pkill", "-STOP", "kube-apiserver")
        try:
            time.sleep(20)  # that long it is away
        finally:
            mesh.on_node("pkill", "-CONT", "kube-apiserver")
        mesh.until("it answers", lambda: mesh.get("namespaces"))
        mesh.kubectl("-n", "shop", "scale", "deployment/catalog-v2", "--replicas=2")
        mesh.rolled_out("catalog-v2", "shop")
        pods = {each["metadata"]["name"] for each in _pods(mesh, "catalog") if "v2" in each["metadata"]["name"]}
        seen = set[str]()

        def all_answered() -> bool:
            found = json.loads(mesh.exec(CLIENT, "shop", ["python3", "-c", _TESTER]))
            seen.add(found["pod"])
            return seen == pods

        mesh.until("what came afterwards is known", all_answered, within_s=60)
    assert not load.outcome.bad, load.outcome
    mesh.kubectl("-n", "shop", "scale", "deployment/catalog-v2", "--replicas=1")


_TESTER: Final = """
import urllib.request
request = urllib.request.Request("http://catalog/", headers={"x-tester": "yes"})
print(urllib.request.urlopen(request, timeout=5).read().decode())
"""


def test_an_object_that_is_wrong_is_refused_with_the_fix(mesh: Cluster) -> None:
    route = {"destination": {"host": "catalog"}}
    wrong = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "wrong", "namespace": "shop"},
        "spec": {"hosts": ["reviews"], "http": [{"route": [route], "match": [{"uri": {"regex": "("}}]}]},
    }
    done = mesh.kubectl("apply", "-f", "-", stdin=json.dumps(wrong), check=False)
    assert done.returncode
    assert "VirtualService shop/wrong spec.http[0].match[0].uri.regex" in done.stderr


def test_commands_see_the_cluster(mesh: Cluster) -> None:
    status = plait(mesh, "proxy-status", "-o", "json")
    names = {each["name"] for each in json.loads(status)}
    assert {each["metadata"]["name"] for each in mesh.get("pods", namespace="shop")["items"]} <= names
    assert "catalog" in plait(mesh, "proxy-config", "route", "deploy/client.shop")


def _pods(mesh: Cluster, app: str) -> list[dict[str, Any]]:
    return [
        each for each in mesh.get("pods", namespace="shop")["items"] if each["metadata"]["labels"].get("app") == app
    ]
