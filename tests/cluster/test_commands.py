"""Commands reach pages on loopback of pods, and run programs in pods, through the API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.cluster.cluster import Cluster

_SERVER: Final = """
import http.server, json, os
name = os.environ["HOSTNAME"]
proxy = {"proxy": "p-" + name, "name": "p-" + name, "namespace": "demo", "workload": "", "cluster": "k", "envoy": "1",
         "connected_since": "2026-01-01T00:00:00+00:00", "types": {"cds": {"state": "SYNCED", "since": None}}}
live = {"found": True, "generation": 0, "served": True, "checked": True, "live": 2, "total": 2, "behind": [],
        "rejections": [], "problems": []}
past = {"generation": 4, "at": "2026-01-01T00:00:00+00:00", "objects": [], "more_objects": 0, "proxies": 1,
        "waiting": 0, "converged_s": 0.5, "nacks": [], "more_nacks": 0, "drains": [], "quiet": False, "resources": {}}
pages = {"/debug/syncz": [proxy], "/debug/problems": [], "/large": "x" * 5_000_000, "/debug/live": live,
         "/debug/history": {"generation": 4, "generations": [past]}}
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps(pages.get(self.path.split("?")[0])).encode()
        self.send_response(200 if body != b"null" else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 15014), Page).serve_forever()
"""
_READY: Final = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:15014/debug/syncz')"


def run(cluster: Cluster, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from xds.cli import main; main()", arguments[0]]
    options = ["--kubeconfig", str(cluster.kubeconfig), *arguments[1:]]
    return subprocess.run([*command, *options], input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def control_planes(cluster: Cluster) -> Iterator[str]:
    """A namespace in which two pods answer as a control plane's replicas would, on loopback only."""
    namespace = f"commands-{os.getpid()}"
    cluster.kubectl("create", "namespace", namespace)
    labels = {"app": "istiod", "istio.io/rev": "default"}
    container: dict[str, Any] = {
        "name": "discovery",
        "image": "plait/echo:0.1.0",
        "command": ["python3", "-c", _SERVER],
        "readinessProbe": {"exec": {"command": ["python3", "-c", _READY]}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "istiod", "namespace": namespace}
    cluster.apply(
        json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}), namespace
    )
    cluster.rolled_out("istiod", namespace)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_proxy_status_asks_every_replica(cluster: Cluster, control_planes: str) -> None:
    done = run(cluster, "proxy-status", "-i", control_planes, "-o", "json")
    assert done.returncode == 0, done.stderr
    proxies = json.loads(done.stdout)
    pods = {each["metadata"]["name"] for each in cluster.get("pods", namespace=control_planes)["items"]}
    assert {each["name"] for each in proxies} == {f"p-{name}" for name in pods}
    assert run(cluster, "analyze", "-i", control_planes).stdout == "no problems found\n"


def test_wait_and_history_ask_every_replica(cluster: Cluster, control_planes: str) -> None:
    done = run(cluster, "wait", "service/kubernetes.default", "-i", control_planes, "-o", "json", "--timeout", "30s")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["live"], told["total"]) == (4, 4)
    missing = run(cluster, "wait", "service/nothing.default", "-i", control_planes)
    assert missing.returncode == 2
    assert "nothing" in missing.stderr
    told = json.loads(run(cluster, "history", "-i", control_planes, "-o", "json").stdout)
    assert len({each["replica"] for each in told}) == 2
    several = run(cluster, "rollback", "4", "-i", control_planes)
    assert several.returncode == 2
    assert "say which with --replica" in several.stderr


def test_large_pages_come_whole(cluster: Cluster, control_planes: str) -> None:
    from xds.cli.cluster import cluster as known

    for pages in known(str(cluster.kubeconfig)).control_planes(control_planes):
        for _ in range(3):
            status, body = pages.get("/large")
            assert (status, len(body)) == (200, 5_000_002)
        pages.close()


def test_who_is_not_there_is_told(cluster: Cluster, control_planes: str) -> None:
    from xds.cli.cluster import cluster as known
    from xds.cli.failure import Unreachable
    from xds.cli.target import Candidate

    done = run(cluster, "proxy-status", "-i", "default")
    assert done.returncode == 2
    assert "no control plane runs in namespace default" in done.stderr
    pod = cluster.get("pods", namespace=control_planes)["items"][0]["metadata"]["name"]
    with pytest.raises(Unreachable, match="refused"):
        known(str(cluster.kubeconfig)).pages(Candidate(control_planes, pod), 15000).get("/")


def test_exec(cluster: Cluster, control_planes: str) -> None:
    target = ("exec", "-n", control_planes, "deploy/istiod")
    told = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    done = run(cluster, *target, "--", "python3", "-c", told)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    passed = run(cluster, *target, "-i", "--", "python3", "-c", "print(input())", stdin="hello\n")
    assert (passed.returncode, passed.stdout) == (0, "hello\n")
    missing = run(cluster, *target, "--", "no-such-program")
    assert missing.returncode == 2
    assert "no-such-program" in missing.stderr
