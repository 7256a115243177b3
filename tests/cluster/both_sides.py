"""Two namespaces: one whose pods have sidecars and take nothing but mutual TLS, and one whose pods have none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Final

from tests.cluster.cluster import Cluster
from tests.cluster.pods import READY, Json, apply, asked, deployment, echo, pod, service

CALLER: Final = "x-forwarded-client-cert"
IN: Final = "injected"
OUT: Final = "plain"
SERVER: Final = f"http://server.{IN}/"
CLIENT: Final = "deployment/client"
DRAINS: Final[Json] = {"preStop": {"sleep": {"seconds": 5}}}
STRICT: Final[Json] = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default"},
    "spec": {"mtls": {"mode": "STRICT"}},
}


@contextlib.contextmanager
def both_sides(cluster: Cluster) -> Iterator[None]:
    """Both namespaces, each with a client; in the mesh there are two pods of a server."""
    served = echo("web", "--http", "8080", readinessProbe=READY, lifecycle=DRAINS)
    server = pod("server", served, terminationGracePeriodSeconds=20)
    client = pod("client", echo("shell"))
    try:
        for name, label in ((IN, "istio-injection=enabled"), (OUT, "who=nobody")):
            cluster.kubectl("create", "namespace", name)
            cluster.kubectl("label", "namespace", name, label)
            cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
        apply(cluster, IN, STRICT, service("server", 8080), deployment(server, 2), deployment(client))
        apply(cluster, OUT, deployment(client))
        for namespace, name in ((IN, "server"), (IN, "client"), (OUT, "client")):
            cluster.rolled_out(name, namespace)
        yield
    finally:
        cluster.kubectl("delete", "namespace", IN, OUT, "--ignore-not-found", within_s=120)


def caller(text: str) -> str:
    """Whom the server has seen ask, by what it answered; empty where that is no answer."""
    return str(json.loads(text)["headers"].get(CALLER, "")) if text else ""


def logged(mesh: Cluster, name: str, container: str) -> str:
    """What a container of the mesh has printed."""
    return mesh.kubectl("-n", IN, "logs", name, "-c", container).stdout


def address(mesh: Cluster, name: str) -> str:
    """The address of a pod of the mesh."""
    return str(mesh.get("pod", name, IN)["status"]["podIP"])


def asked_in_plaintext(mesh: Cluster, url: str, method: str = "GET") -> str:
    """The status that somebody without a sidecar is answered; "none" where nobody answers."""
    return asked(mesh, OUT, CLIENT, url, method)


def servers(mesh: Cluster) -> set[str]:
    """The pods that answer."""
    return {
        each["metadata"]["name"]
        for each in mesh.get("pods", namespace=IN)["items"]
        if each["metadata"]["labels"].get("app") == "server"
    }
