"""Changes that roll out in steps in a cluster with three replicas: one client has the harm, no restart lets it out."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.cluster import pods
from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import installed, plait, run

ROOT: Final = "istio-system"
REPLICAS: Final = 3
CLIENTS: Final = 3
NAMESPACE: Final = f"rolled-out-{os.getpid()}"
# Proxies tell every ten seconds; where that takes longer it is waited for.
_OPTIONS: Final = (
    f"replicas={REPLICAS}",
    "extraEnv.PLAIT_ROLLOUT_WATCH_S=12",
    "extraEnv.PLAIT_ROLLOUT_NEEDS_TRAFFIC=true",
)
_ABORT: Final = {"fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}}}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """A server and clients that can be compared with each other."""
    workloads = [
        pods.pod(app, pods.echo(app, "--http", "8080", readinessProbe=pods.READY)) for app in ("web", "client")
    ]
    options = [word for each in _OPTIONS for word in ("--set", each)]
    with installed(cluster, *options), contextlib.ExitStack() as afterwards:
        cluster.kubectl("create", "namespace", NAMESPACE)
        afterwards.callback(cluster.kubectl, "delete", "namespace", NAMESPACE, "--wait=true", within_s=120)
        cluster.kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled")
        web, client = workloads
        pods.apply(
            cluster, NAMESPACE, pods.deployment(web), pods.deployment(client, CLIENTS), pods.service("web", 8080)
        )
        for name in ("web", "client"):
            cluster.rolled_out(name, NAMESPACE, within_s=120)
        yield cluster


def staged(mesh: Cluster, **route: Any) -> None:
    """Have the routes to the server be these, in steps."""
    http = [{**route, "route": [{"destination": {"host": "web"}}]}]
    metadata = {"name": "web", "annotations": {"plait.dev/rollout": "staged"}}
    of = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata}
    pods.apply(mesh, NAMESPACE, {**of, "spec": {"hosts": ["web"], "http": http}})


def running(mesh: Cluster, namespace: str, app: str) -> set[str]:
    """The names of its pods that are not on their way out."""
    found = json.loads(mesh.kubectl("-n", namespace, "get", "pods", "-l", f"app={app}", "-o", "json").stdout)["items"]
    return {each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]}


@contextlib.contextmanager
def asking(mesh: Cluster) -> Iterator[list[Load]]:
    """Requests from every client, each client's by itself."""
    with contextlib.ExitStack() as stack:
        clients = sorted(running(mesh, NAMESPACE, "client"))
        assert len(clients) == CLIENTS
        yield [stack.enter_context(Load(mesh, each, NAMESPACE, "web", 0.2)) for each in clients]


def replicas(mesh: Cluster) -> list[Any]:
    """What each replica of the control plane says of rollouts."""
    told: dict[str, Any] = json.loads(run(mesh, "rollout", "status", "-o", "json").stdout)
    assert len(told) == REPLICAS
    return list(told.values())


def states(mesh: Cluster) -> list[str]:
    """What each replica says of the routes; "" where they are as everybody has them."""
    return ["".join(each["state"] for each in told["held"] if each["name"] == "web") for told in replicas(mesh)]


def every(mesh: Cluster, state: str, within_s: float) -> None:
    """Return when all replicas say that of the routes."""
    mesh.until(f"all say {state!r}", lambda: states(mesh) == [state] * REPLICAS, within_s)


def all_have_told(mesh: Cluster) -> bool:
    """Whether the control plane has figures of every client: as many requests as one alone has not sent by then."""
    found = json.loads(plait(mesh, "graph", "-o", "json"))
    ends = {"source": f"{NAMESPACE}/client", "destination": f"{NAMESPACE}/web"}
    return any(edge["signals"]["requests"] > 1000 for edge in found["edges"] if ends.items() <= edge.items())


def test_harm_reaches_one_client_and_stays_back_over_a_restart_of_all(mesh: Cluster) -> None:
    with asking(mesh) as loads:
        mesh.until("clients have told of requests", lambda: all_have_told(mesh), within_s=60)
        staged(mesh, **_ABORT)
        every(mesh, "aborted", within_s=90)
    harmed = [each.outcome for each in loads if each.outcome.bad]
    assert len(harmed) == 1, harmed
    assert set(harmed[0].seen) == {"", "503"}
    _it_is_told_why(mesh)
    before = running(mesh, ROOT, "istiod")
    with asking(mesh) as loads:
        mesh.kubectl("-n", ROOT, "rollout", "restart", "deployment/plait")
        mesh.rolled_out("plait", ROOT, within_s=120)
        mesh.until("all are others", lambda: not before & running(mesh, ROOT, "istiod"))
        every(mesh, "aborted", within_s=30)
        mesh.until("the new ones have the proxies", lambda: _in_sync(mesh) >= running(mesh, NAMESPACE, "client"))
    assert not [each.outcome for each in loads if each.outcome.bad]
    _it_is_told_why(mesh)


def _it_is_told_why(mesh: Cluster) -> None:
    status = run(mesh, "rollout", "status", "virtualservice/web")
    assert status.returncode == 1
    assert f"VirtualService {NAMESPACE}/web" in status.stdout
    assert "fail (" in status.stdout

    def said() -> bool:
        events = mesh.get("events", namespace=NAMESPACE)["items"]
        of = [
            each for each in events if each["involvedObject"]["name"] == "web" and each["reason"] == "rollout.aborted"
        ]
        assert of, events
        return any("fail (" in each["message"] for each in of)

    mesh.until("an Event says it", said)


def _in_sync(mesh: Cluster) -> set[str]:
    status = run(mesh, "proxy-status", "-o", "json")
    return set() if status.returncode else {each["name"] for each in json.loads(status.stdout)}


def test_a_killed_leader_does_not_let_a_change_out(mesh: Cluster) -> None:
    with asking(mesh) as loads:
        staged(mesh, timeout="7s")
        every(mesh, "rolling out", within_s=30)
        leader = _leader(mesh)
        mesh.kubectl("-n", ROOT, "delete", "pod", leader, "--grace-period=0", "--force")
        mesh.until("another leads", lambda: _leader(mesh) != leader)
        assert "rolling out" in run(mesh, "rollout", "status").stdout
        mesh.rolled_out("plait", ROOT, within_s=60)
        every(mesh, "", within_s=180)
    assert not [each.outcome for each in loads if each.outcome.bad]


def _leader(mesh: Cluster) -> str:
    lease = mesh.get("lease", "plait-leader", ROOT)
    return str(lease["spec"]["holderIdentity"])
