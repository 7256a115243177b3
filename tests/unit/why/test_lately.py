"""What failed on an edge, as both ends told it: whose it is, told once, with the cause that lies further on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from xds.cli.manifests import Manifests, manifests
from xds.failed.call import FailedCall, FailedCalls
from xds.settings import Settings
from xds.view.graph import Graph
from xds.why.mesh import KnownMesh
from xds.why.question import Question, explained
from xds.why.target import Candidate

MESH = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: shop}
spec: {serviceAccountName: other, containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api-1, namespace: shop, labels: {app: api}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
OUT = "outbound|80||api.shop.svc.cluster.local"
REFUSED = "delayed connect error: Connection refused"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    file = tmp_path_factory.mktemp("mesh") / "mesh.yaml"
    file.write_text(MESH)
    return manifests([file], Settings.resolve({}, {"manifests": (str(file),)}))


def kind(reporter: str, *calls: FailedCall, inbound: bool = False, last: float = 60.0) -> FailedCalls:
    return FailedCalls(reporter=reporter, inbound=inbound, times=len(calls), first=0.0, last=last, latest=list(calls))


def failed(*flags: str, **said: Any) -> FailedCall:
    usual = {"status": 503, "method": "GET", "host": "api", "path": "/", "dialled": "10.96.0.2:80"}
    return FailedCall(when="", flags=flags, **{**usual, **said})


def lately(known: Manifests, *told: FailedCalls, source: str = "shop/web") -> list[dict[str, Any]]:
    """What is told of the calls of ``source`` to api, where proxies have told these."""

    def failures(pods: Sequence[str], request_id: str) -> Sequence[FailedCalls]:
        return [each for each in told if each.reporter in pods]

    pods = [Candidate(pod.namespace, pod.name, pod.workload, pod.workload_kind) for pod in known.pods]
    mesh = KnownMesh(known.snapshot, pods, frozenset(), lambda ref: None, failures=failures)
    found: list[dict[str, Any]] = explained(Question(source, "api:80"), mesh, Graph(known.snapshot))["lately"]
    return found


def test_what_the_servers_proxy_knows_is_told_in_the_place_of_its_answer(known: Manifests) -> None:
    answered = failed(details="via_upstream", cluster=OUT, upstream_pod="shop/api-1", request_id="1")
    dead = failed("UF", "URX", transport=REFUSED, cluster="inbound|8080||", request_id="1", principal=of("web"))
    (told,) = lately(known, kind("shop/web", answered), kind("shop/api-1", dead, inbound=True))
    assert told["says"].startswith(f"503: {REFUSED}")
    assert [each["object"] for each in told["by"]] == ["Pod shop/api-1"]
    assert (told["toldBy"], told["request"], told["requestId"]) == ("shop/web", "GET api/", "1")


def test_who_hung_up_is_told_by_the_caller_who_knows_why(known: Manifests) -> None:
    hung_up = failed(
        "UT", status=504, details="response_timeout", cluster=OUT, upstream_pod="shop/api-1", request_id="1"
    )
    seen = failed("DC", status=0, cluster="inbound|8080||", request_id="1", principal=of("web"))
    (told,) = lately(known, kind("shop/web", hung_up), kind("shop/api-1", seen, inbound=True))
    assert told["flags"] == ["UT"]


def test_only_the_server_tells_of_what_it_refuses(known: Manifests) -> None:
    limited = failed("RL", status=429, dialled="10.0.0.2:8080", principal=of("web"))
    (told,) = lately(known, kind("shop/api-1", limited, inbound=True))
    assert (told["toldBy"], told["inbound"], told["status"]) == ("shop/api-1", True, 429)
    assert not lately(known, kind("shop/api-1", limited, inbound=True), source="shop/other")


def test_calls_to_others_are_none_of_this_edge(known: Manifests) -> None:
    elsewhere = failed("UF", host="db", cluster="outbound|80||db.shop.svc.cluster.local")
    assert not lately(known, kind("shop/web", elsewhere))
    connection = failed("UF", status=0, method="", host="", cluster="outbound|80||db.shop.svc.cluster.local")
    assert not lately(known, kind("shop/web", connection))
    # Without a cluster, as nobody was chosen: the host tells, by whichever of its names.
    for host in ("api", "api.shop", "api.shop.svc.cluster.local", "api:80"):
        assert lately(known, kind("shop/web", failed("UO", host=host)))
    assert not lately(known, kind("shop/web", failed("UO", host="ap")))


def test_the_newest_comes_first(known: Manifests) -> None:
    old, new = failed("UO", path="/old"), failed("UH", path="/new")
    found = lately(known, kind("shop/web", old, last=10.0), kind("shop/web", new, last=20.0))
    assert [each["request"] for each in found] == ["GET api/new", "GET api/old"]


def of(account: str) -> str:
    return f"spiffe://cluster.local/ns/shop/sa/{account}"
