"""Pods of the image plait/echo, as plain objects, and what becomes of them."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from kubernetes.client import CoreV1Api

from tests.cluster.cluster import Cluster
from xds import __version__

Json = dict[str, Any]

IMAGE: Final = f"plait/echo:{__version__}"
ENVOY: Final = "envoyproxy/envoy:v1.40.0"
READY: Final[Json] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
RESTRICTED: Final[Json] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# One request, no second try; where there is no answer the program fails.
_ASK: Final = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"

_STATUS: Final = """
import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], method=sys.argv[2]), timeout=5).status)
except urllib.error.HTTPError as error: print(error.code)
except OSError: print("none")
"""


def echo(name: str, *arguments: str, **fields: Any) -> Json:
    """A container that answers at the ports of its arguments."""
    return {"name": name, "image": IMAGE, "args": list(arguments), **fields}


def asks(name: str, url: str, then: str = "") -> Json:
    """A container that prints what one request to ``url`` is answered, and then does what the Python says."""
    return {"name": name, "image": IMAGE, "command": ["python3", "-c", f"{_ASK}\n{then}", url]}


def pod(name: str, *containers: Json, **fields: Any) -> Json:
    """A pod; ``labels`` and ``annotations`` are its own, all other fields are those of its ``spec``."""
    metadata: Json = {"name": name, **{key: fields.pop(key) for key in ("labels", "annotations") if key in fields}}
    spec = {"terminationGracePeriodSeconds": 1, "containers": list(containers), **fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deployment(of: Json, replicas: int = 1) -> Json:
    """A Deployment of such pods, by its name as their label ``app``."""
    name, own = of["metadata"]["name"], of["metadata"]
    template = {"metadata": {**own, "labels": {**own.get("labels", {}), "app": name}}, "spec": of["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(of: Json) -> Json:
    """A Job of one such pod."""
    spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", **of["spec"]}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": of["metadata"]["name"]}, "spec": spec}


def service(name: str, port: int) -> Json:
    """A Service for HTTP at port 80, of the pods whose label ``app`` is its name."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def apply(cluster: Cluster, namespace: str, *objects: Json) -> None:
    """Apply objects. Errors: AssertionError with what the API server said."""
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}), namespace)


def would_be(cluster: Cluster, namespace: str, of: Json) -> Json:
    """The pod as the API server would keep it; it is not made. Errors: AssertionError with why it would not."""
    arguments = ("-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-")
    found: Json = json.loads(cluster.kubectl(*arguments, stdin=json.dumps(of)).stdout)
    return found


def wait(cluster: Cluster, namespace: str, what: str, condition: str = "Ready", within_s: float = 60.0) -> None:
    """Return when an object ("pod/NAME") has a condition. Errors: AssertionError with its state."""
    arguments = ("-n", namespace, "wait", what, f"--for=condition={condition}", f"--timeout={within_s}s")
    done = cluster.kubectl(*arguments, check=False, within_s=within_s + 10)
    if done.returncode:
        state = cluster.kubectl("-n", namespace, "describe", what, check=False).stdout
        raise AssertionError(f"{what} is not {condition}: {done.stderr}{state[-4000:]}")


def asked(cluster: Cluster, namespace: str, of: str, url: str, method: str = "GET") -> str:
    """The status that a pod is answered at ``url``; "none" where nobody answers."""
    return cluster.exec(of, namespace, ["python3", "-c", _STATUS, url, method]).strip()


def images(of: Json) -> list[str]:
    """The images of all its containers, in the order in which they start."""
    spec = of["spec"]
    return [each["image"] for each in (*spec.get("initContainers", ()), *spec["containers"])]


def names(containers: list[Json]) -> list[str]:
    """What containers are called."""
    return [each["name"] for each in containers]


def ready_after_s(cluster: Cluster, namespace: str, of: Json, within_s: float = 60.0) -> float:
    """The seconds from asking for a pod until it is ready; it is gone afterwards, but not at once."""
    api: Any = CoreV1Api(cluster.client())
    name, began = of["metadata"]["name"], time.monotonic()
    api.create_namespaced_pod(namespace, of, _request_timeout=10)
    conditions: Any = ()
    while time.monotonic() < began + within_s:
        conditions = api.read_namespaced_pod(name, namespace, _request_timeout=10).status.conditions or ()
        if any(each.type == "Ready" and each.status == "True" for each in conditions):
            took = time.monotonic() - began
            api.delete_namespaced_pod(name, namespace, grace_period_seconds=0, _request_timeout=10)
            return took
        time.sleep(0.02)
    raise AssertionError(f"{name} is not ready in {within_s} s: {conditions}")
