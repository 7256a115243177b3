"""Sidecars in real pods: what a pod is given, when it starts, and that the mesh is all it can speak to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

import pytest

from tests.cluster.both_sides import (
    CALLER,
    CLIENT,
    IN,
    OUT,
    SERVER,
    STRICT,
    address,
    asked_in_plaintext,
    both_sides,
    caller,
    logged,
    servers,
)
from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import PLAIT, installed, plait
from tests.cluster.pods import (
    ENVOY,
    READY,
    RESTRICTED,
    Json,
    apply,
    asked,
    asks,
    deployment,
    echo,
    images,
    job,
    names,
    pod,
    ready_after_s,
    service,
    wait,
    would_be,
)
from tests.cluster.probed import unwell, well

SIDECAR: Final = ["istio-init", "istio-proxy"]
STAYS: Final = "import signal; sys.stdout.flush(); signal.pause()"
HELD: Final = {  # as where there are no native sidecars
    "sidecar.istio.io/nativeSidecar": "false",
    "proxy.istio.io/config": "holdApplicationUntilProxyStarts: true",
}
OPTED_IN: Final = {"sidecar.istio.io/inject": "true"}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with a control plane, and namespaces with and without sidecars."""
    with installed(cluster), both_sides(cluster):
        yield cluster


def test_a_job_ends_and_all_its_containers_are_in_the_mesh(mesh: Cluster) -> None:
    apply(mesh, IN, job(pod("once", asks("last", SERVER), initContainers=[asks("first", SERVER)])))
    wait(mesh, IN, "job/once", "Complete")
    for container in ("first", "last"):
        assert f"URI=spiffe://cluster.local/ns/{IN}/sa/default" in caller(logged(mesh, "job/once", container))
    (made,) = (each for each in mesh.get("pods", namespace=IN)["items"] if "job-name" in each["metadata"]["labels"])
    assert names(made["spec"]["initContainers"]) == [*SIDECAR, "first"]
    proxy = made["spec"]["initContainers"][1]
    assert (proxy["image"], proxy["restartPolicy"]) == (ENVOY, "Always")
    ended = {each["name"]: each["state"]["terminated"]["exitCode"] for each in made["status"]["initContainerStatuses"]}
    assert ended == {"istio-init": 0, "istio-proxy": 0, "first": 0}


def test_a_held_application_can_ask_at_once(mesh: Cluster) -> None:
    apply(mesh, IN, pod("held", asks("app", SERVER, STAYS), annotations=HELD, restartPolicy="Never"))
    wait(mesh, IN, "pod/held")
    assert names(mesh.get("pod", "held", IN)["spec"]["containers"]) == ["istio-proxy", "app"]
    assert f"/ns/{IN}/sa/default" in mesh.until("its answer", lambda: caller(logged(mesh, "held", "app")))


def test_the_running_pod_holds_stock_envoy_and_nothing_else_of_ours(mesh: Cluster) -> None:
    server = min(servers(mesh))

    def inside(script: str) -> str:
        return mesh.exec(server, IN, ["bash", "-c", script], "istio-proxy")

    running = inside("for each in /proc/[0-9]*/exe; do readlink $each || true; done").splitlines()
    assert [each for each in running if not each.endswith(("/bash", "/readlink"))] == ["/usr/local/bin/envoy"]
    assert inside("id -u; id -g").split() == ["1337", "1337"]
    held = inside("ls -R /var/run/secrets").split()
    assert {"token", "root-cert.pem"} <= set(held)
    token = inside("cat /var/run/secrets/plait/token").strip()
    ask = "GET /config_dump HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n"
    dump = inside(f"exec 3<>/dev/tcp/127.0.0.1/15000; printf '{ask}' >&3; cat <&3")
    assert "200 OK" in dump
    assert token not in dump
    assert "PRIVATE KEY" not in dump
    listed = mesh.exec(server, IN, ["python3", "-c", "import os; print(os.listdir('/var/run/secrets'))"], "web")
    assert "plait" not in listed, "the application has no use for the proxy's token"


@pytest.fixture(scope="module")
def probed(mesh: Cluster) -> str:
    """The address of a pod that is probed in all ways and is well; beside it there is one that is not."""
    apply(mesh, IN, *well(), unwell())
    wait(mesh, IN, "pod/probed")
    return address(mesh, "probed")


def test_probes_see_the_application_where_only_mutual_tls_is_taken(mesh: Cluster, probed: str) -> None:
    statuses = mesh.get("pod", "probed", IN)["status"]["containerStatuses"]
    assert {each["name"]: (each["ready"], each["restartCount"]) for each in statuses} == dict.fromkeys(
        ("http", "https", "tcp", "grpc", "exec"), (True, 0)
    )
    # The header came with it: the application counts requests by it.
    seen = "http://127.0.0.1:8080/up?key=probe"
    assert mesh.fetch(seen, "probed", IN, "http")["attempt"] > 1


def test_probes_fail_where_the_application_does(mesh: Cluster, probed: str) -> None:
    def failures() -> bool:
        events = [each for each in mesh.get("events", namespace=IN)["items"] if each["reason"] == "Unhealthy"]
        told = [each for each in events if each["involvedObject"]["name"] == "unwell"]
        seen = {each["involvedObject"]["fieldPath"].partition("{")[2].rstrip("}") for each in told}
        return {"ill", "shut", "mute"} <= seen

    mesh.until("the kubelet says so", failures)
    statuses = mesh.get("pod", "unwell", IN)["status"]["containerStatuses"]
    assert [(each["started"], each["ready"]) for each in statuses] == [(True, False)] * 3


def test_the_port_of_probes_is_no_way_around_mutual_tls(mesh: Cluster, probed: str) -> None:
    path = f"http://{probed}:15020/app-health/http/readyz"
    assert asked_in_plaintext(mesh, path) == "200"
    assert asked_in_plaintext(mesh, path, "POST") == "404"
    for other in (f"{path}?x=1", f"{path}/", f"{path}/..", f"http://{probed}:15020/", f"http://{probed}:15020/up"):
        assert asked_in_plaintext(mesh, other) == "404", other
    for port in (8080, 8443, 8081, 8082, 8083, 15000):
        assert asked_in_plaintext(mesh, f"http://{probed}:{port}/") == "none", port
    assert asked_in_plaintext(mesh, SERVER) == "none"
    assert CALLER in mesh.fetch(SERVER, CLIENT, IN)["headers"]


WEB: Final = pod("web", echo("web"))
OPTED_OUT_WEB: Final = pod("web", echo("web"), labels={"sidecar.istio.io/inject": "false"})


@pytest.mark.parametrize(
    ("namespace", "made", "injected"),
    [
        (IN, WEB, True),
        (IN, OPTED_OUT_WEB, False),
        (OUT, WEB, False),
        (OUT, pod("web", echo("web"), labels=OPTED_IN), True),
        (OUT, pod("web", echo("web"), labels={**OPTED_IN, "istio.io/rev": "default"}), True),
        (OUT, pod("web", echo("web"), labels={**OPTED_IN, "istio.io/rev": "other"}), False),
        ("kube-system", pod("web", echo("web"), labels=OPTED_IN), False),
        ("istio-system", pod("web", echo("web", securityContext=RESTRICTED), labels=OPTED_IN), False),
    ],
    ids=["labelled", "opted-out", "plain", "opted-in", "revision", "other-revision", "kube-system", "istio-system"],
)
def test_who_gets_a_sidecar(mesh: Cluster, namespace: str, made: Json, injected: bool) -> None:
    proxies = [ENVOY] if injected else []
    assert [each for each in images(would_be(mesh, namespace, made)) if each.startswith("envoy")] == proxies


def test_a_pod_on_the_nodes_network_is_left_alone(mesh: Cluster) -> None:
    apply(mesh, IN, pod("on-node", echo("web", "--http", "18080"), labels=OPTED_IN, hostNetwork=True))
    wait(mesh, IN, "pod/on-node")
    assert names(mesh.get("pod", "on-node", IN)["spec"]["containers"]) == ["web"]
    for node in mesh.get("nodes")["items"]:
        assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][-1].items()
    if mesh.node:
        assert "PLAIT" not in mesh.on_node("iptables-save")


def test_a_wrong_annotation_denies_the_pod(mesh: Cluster) -> None:
    wrong = {"sidecar.istio.io/proxyCPU": "lots"}
    with pytest.raises(AssertionError, match=r"metadata.annotations\[.?sidecar.istio.io/proxyCPU.?\].*no quantity"):
        would_be(mesh, IN, pod("web", echo("web"), annotations=wrong))


def test_a_sidecar_that_ends_comes_back(mesh: Cluster) -> None:
    apply(mesh, IN, pod("fragile", echo("web")))
    wait(mesh, IN, "pod/fragile")
    mesh.exec("fragile", IN, ["bash", "-c", "kill 1"], "istio-proxy")
    again = "{.status.initContainerStatuses[1].restartCount}=1"
    mesh.kubectl("-n", IN, "wait", "pod/fragile", f"--for=jsonpath={again}", "--timeout=30s")
    mesh.until("it is in the mesh again", lambda: asked(mesh, IN, "fragile", SERVER) == "200")
    assert asked_in_plaintext(mesh, f"http://{address(mesh, 'fragile')}:8080/") == "none"


def test_injected_by_hand(mesh: Cluster) -> None:
    manifest = json.dumps(pod("by-hand", asks("app", SERVER, STAYS), restartPolicy="Never"))
    command = [*PLAIT, "inject", "-f", "-", "--native"]
    done = subprocess.run(command, input=manifest, capture_output=True, text=True, check=True, timeout=60)
    mesh.apply(done.stdout, OUT)
    wait(mesh, OUT, "pod/by-hand")
    text = mesh.until("its answer", lambda: mesh.kubectl("-n", OUT, "logs", "by-hand", "-c", "app").stdout)
    assert f"URI=spiffe://cluster.local/ns/{OUT}/sa/default" in caller(text)
    # Where the webhook sees it too, it has its sidecar already.
    assert names(would_be(mesh, IN, json.loads(manifest))["spec"]["initContainers"]) == SIDECAR


def test_pods_without_their_sidecar_are_found(mesh: Cluster, namespace: str) -> None:
    apply(mesh, namespace, deployment(pod("late", echo("web"))))
    mesh.rolled_out("late", namespace)
    mesh.kubectl("label", "namespace", namespace, "istio-injection=enabled")

    def found() -> list[Any]:
        listed = json.loads(plait(mesh, "analyze", "-o", "json", "--output-threshold", "warning"))
        return [each for each in listed if each["code"] == "injection.missing-sidecar" and namespace in each["object"]]

    (finding,) = mesh.until("the finding", found)
    assert f"kubectl rollout restart -n {namespace} deployment/late" in finding["message"]
    mesh.kubectl("-n", namespace, "rollout", "restart", "deployment/late")
    mesh.rolled_out("late", namespace)
    mesh.until("it is gone", lambda: not found())


def test_a_pod_that_is_deleted_costs_no_request(mesh: Cluster) -> None:
    old = servers(mesh)
    with Load(mesh, CLIENT, IN, "server") as load:
        for name in sorted(old):
            mesh.kubectl("-n", IN, "delete", "pod", name, "--wait=true")
            mesh.rolled_out("server", IN)
    assert not load.outcome.bad, load.outcome
    assert load.outcome.requests > 200
    assert not servers(mesh) & old


def test_without_a_control_plane_the_mesh_goes_on_and_all_that_need_no_sidecar_start(mesh: Cluster) -> None:
    def connected() -> set[str]:
        return {each["name"] for each in json.loads(plait(mesh, "proxy-status", "-o", "json"))}

    system = ("-n", "istio-system")
    mesh.kubectl(*system, "scale", "deployment/plait", "--replicas=0")
    mesh.kubectl(*system, "wait", "--for=delete", "pods", "-l", "app=istiod", "--timeout=40s")
    with pytest.raises(AssertionError, match="failed calling webhook"):
        would_be(mesh, IN, WEB)
    would_be(mesh, IN, pod("web", echo("web"), hostNetwork=True))
    would_be(mesh, IN, OPTED_OUT_WEB)
    would_be(mesh, "kube-system", WEB)
    assert CALLER in mesh.fetch(SERVER, CLIENT, IN)["headers"]
    mesh.kubectl(*system, "scale", "deployment/plait", "--replicas=1")
    mesh.rolled_out("plait", "istio-system")
    mesh.until("the sidecars are back", lambda: servers(mesh) <= connected(), within_s=60)


def test_a_sidecar_makes_a_pod_ready_a_little_later(mesh: Cluster) -> None:
    took: dict[str, list[float]] = {"true": [], "false": []}
    for number in range(5):
        for inject, times in took.items():
            labels = {"sidecar.istio.io/inject": inject}
            served = echo("web", "--http", "8080", readinessProbe=READY)
            times.append(ready_after_s(mesh, IN, pod(f"timed-{inject}-{number}", served, labels=labels)))
    print("ready after seconds, with and without a sidecar:", took)
    # On a machine that is busy all takes longer.
    assert median(took["true"]) - median(took["false"]) < max(6.0, 2 * median(took["false"])), took


def test_pods_without_any_rights_are_redirected_by_the_node_agent(mesh: Cluster, namespace: str) -> None:
    plait(mesh, "install", "--set", "cni=true")
    mesh.kubectl("-n", "kube-system", "rollout", "status", "daemonset/plait-cni", "--timeout=60s", within_s=70)
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    mesh.kubectl("label", "namespace", namespace, "istio-injection=enabled", enforced)
    web = echo("web", "--http", "8080", readinessProbe=READY, securityContext=RESTRICTED)
    first = asks("app", SERVER, STAYS) | {"securityContext": RESTRICTED}
    held = pod("held", first, annotations=HELD, restartPolicy="Never")
    apply(mesh, namespace, STRICT, service("web", 8080), deployment(pod("web", web)), held)
    mesh.rolled_out("web", namespace)
    wait(mesh, namespace, "pod/held")
    (made,) = (each for each in mesh.get("pods", namespace=namespace)["items"] if each["metadata"]["name"] != "held")
    assert names(made["spec"]["initContainers"]) == ["istio-validation", "istio-proxy"]
    assert f"/ns/{namespace}/sa/default" in mesh.fetch(SERVER, "deployment/web", namespace)["headers"][CALLER]
    assert f"/ns/{IN}/sa/default" in mesh.fetch(f"http://web.{namespace}/", CLIENT, IN)["headers"][CALLER]
    assert asked_in_plaintext(mesh, f"http://{made['status']['podIP']}:8080/") == "none"
    if mesh.node:
        assert "PLAIT" not in mesh.on_node("iptables-save")
