"""Sidecars in real pods: what a pod is given, when it starts, and that the mesh is all it can speak to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import installed, plait
from tests.cluster.pods import (
    RESTRICTED,
    Json,
    apply,
    asks,
    deployment,
    echo,
    images,
    job,
    names,
    pod,
    service,
    wait,
    would_be,
)

IN: Final = "injected"  # whose pods have sidecars, and take nothing but mutual TLS
OUT: Final = "plain"  # whose pods have none
SERVER: Final = f"http://server.{IN}/"
ENVOY: Final = "envoyproxy/envoy:v1.40.0"
SIDECAR: Final = ["istio-init", "istio-proxy"]
STAYS: Final = "import signal; sys.stdout.flush(); signal.pause()"
DRAINS: Final[Json] = {"preStop": {"sleep": {"seconds": 5}}}
READY: Final[Json] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
STRICT: Final[Json] = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default"},
    "spec": {"mtls": {"mode": "STRICT"}},
}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with one control plane, a server in the mesh that takes mutual TLS only, and a client of each side."""
    spaces = [(IN, "istio-injection=enabled"), (OUT, "who=nobody")]
    with installed(cluster):
        for name, label in spaces:
            cluster.kubectl("create", "namespace", name)
            cluster.kubectl("label", "namespace", name, label)
            cluster.until("its service account", lambda name=name: cluster.get("serviceaccount", "default", name))
        served = echo("web", "--http", "8080", readinessProbe=READY, lifecycle=DRAINS)
        server = pod("server", served, terminationGracePeriodSeconds=20)
        client = pod("client", echo("shell"))
        apply(cluster, IN, STRICT, service("server", 8080), deployment(server, 2), deployment(client))
        apply(cluster, OUT, deployment(client))
        for namespace, name in ((IN, "server"), (IN, "client"), (OUT, "client")):
            cluster.rolled_out(name, namespace)
        yield cluster
        for name, _ in spaces:
            cluster.kubectl("delete", "namespace", name, "--wait=true", within_s=120)


def caller(text: str) -> str:
    """Whom the server has seen ask, by what it answered."""
    return str(json.loads(text)["headers"].get("x-forwarded-client-cert", ""))


def logged(mesh: Cluster, name: str, container: str, namespace: str = IN) -> str:
    return mesh.kubectl("-n", namespace, "logs", name, "-c", container).stdout


def asked_as_plain_text(mesh: Cluster, url: str, method: str = "GET") -> str:
    """The status that somebody without a sidecar is answered, or why there is none."""
    program = """
import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], method=sys.argv[2]), timeout=5).status)
except urllib.error.HTTPError as error: print(error.code)
except OSError as error: print("none:", error)
"""
    return mesh.exec("deployment/client", OUT, ["python3", "-c", program, url, method]).strip()


def test_a_job_ends_and_all_its_containers_are_in_the_mesh(mesh: Cluster) -> None:
    once = pod("once", asks("last", SERVER), initContainers=[asks("first", SERVER)])
    apply(mesh, IN, job(once))
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
    hold = {
        "sidecar.istio.io/nativeSidecar": "false",
        "proxy.istio.io/config": "holdApplicationUntilProxyStarts: true",
    }
    apply(mesh, IN, pod("held", asks("app", SERVER, STAYS), annotations=hold, restartPolicy="Never"))
    wait(mesh, IN, "pod/held")
    assert names(mesh.get("pod", "held", IN)["spec"]["containers"]) == ["istio-proxy", "app"]
    assert f"/ns/{IN}/sa/default" in mesh.until("its answer", lambda: caller(logged(mesh, "held", "app")))


def test_the_running_pod_holds_stock_envoy_and_nothing_else_of_ours(mesh: Cluster) -> None:
    server = mesh.get("pods", namespace=IN)["items"][-1]
    name = server["metadata"]["name"]
    assert [each for each in images(server) if each.startswith("envoy")] == [ENVOY]
    look = 'for each in /proc/[0-9]*; do [ -e $each/exe ] && readlink $each/exe; done; ls -R /var/run/secrets; id -u'
    seen = mesh.exec(name, IN, ["bash", "-c", look], "istio-proxy")
    assert [each for each in seen.splitlines() if "/bin/" in each and "bash" not in each] == ["/usr/local/bin/envoy"]
    assert {"token", "root-cert.pem"} <= set(seen.split())
    assert seen.split()[-1] == "1337"
    assert "kubernetes.io" not in seen, "the account's own token is none of the proxy's business"
    token = mesh.exec(name, IN, ["cat", "/var/run/secrets/plait/token"], "istio-proxy").strip()
    pages = 'exec 3<>/dev/tcp/127.0.0.1/15000; printf "GET /config_dump HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'
    dump = mesh.exec(name, IN, ["bash", "-c", pages], "istio-proxy")
    assert "200 OK" in dump
    assert token not in dump
    assert "PRIVATE KEY" not in dump
