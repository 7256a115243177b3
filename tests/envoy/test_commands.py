"""The commands as users run them: ``plait up`` in one terminal, the others in a second one."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xds.local.mesh import unavailable

pytestmark = pytest.mark.skipif(unavailable() != "", reason=f"no local mesh here: {unavailable()}")

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
MESH = f"commands-{os.getpid()}"
READY_S = 60.0
MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec: {containers: [{name: web, image: plait/echo, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - name: all
    route: [{destination: {host: web}}]
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s}}}}
"""
STRICT = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
"""


def plait(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PLAIT, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``plait up``, READY."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "shop.yaml").write_text(MANIFESTS)
    process = subprocess.Popen([*PLAIT, "up", str(folder), "--mesh", MESH], stdout=subprocess.PIPE)
    try:
        _until_ready(process)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def _until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    said, deadline = b"", time.monotonic() + READY_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\nREADY\n" not in b"\n" + said:
            assert selector.select(max(0.0, deadline - time.monotonic())), f"not READY in time:\n{said.decode()}"
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            assert chunk, f"plait up has ended:\n{said.decode()}"
            said += chunk


@pytest.mark.usefixtures("up")
class TestCommands:
    """A second terminal beside the running mesh."""

    def test_every_proxy_is_synced(self) -> None:
        result = plait("proxy-status", "--mesh", MESH, "-o", "json")
        assert result.returncode == 0, result.stderr
        [proxy] = json.loads(result.stdout)
        assert proxy["name"].startswith("web-")
        assert {one["state"] for one in proxy["types"].values()} == {"SYNCED"}
        assert proxy["types"].keys() >= {"cds", "lds", "eds", "rds", "vhds"}

    def test_a_command_runs_in_the_pod_and_its_traffic_passes_the_sidecar(self) -> None:
        result = plait("exec", "deploy/web", "-n", "shop", "--mesh", MESH, "--", "curl", "-s", "http://web/x")
        assert result.returncode == 0, result.stderr
        seen = json.loads(result.stdout)
        assert (seen["namespace"], seen["path"]) == ("shop", "/x")
        assert "x-request-id" in seen["headers"]

    def test_the_commands_exit_status_is_ours(self) -> None:
        assert plait("exec", "deploy/web", "--mesh", MESH, "--", "sh", "-c", "exit 7").returncode == 7

    def test_envoys_own_configuration_with_the_objects_behind_it(self) -> None:
        def lines(kind: str, *arguments: str) -> Any:
            result = plait("proxy-config", kind, "deploy/web", "--mesh", MESH, *arguments)
            assert result.returncode == 0, result.stderr
            return result.stdout

        clusters = json.loads(lines("cluster", "--fqdn", "web.shop", "-o", "json"))
        assert [cluster["name"] for cluster in clusters] == ["outbound|80||web.shop.svc.cluster.local"]
        assert "xds-grpc" in lines("cluster"), "it is in the bootstrap, so only Envoy itself knows of it"
        assert "xds-grpc" not in lines("cluster", "--sent")
        [route] = [line for line in lines("route", "--name", "80").splitlines() if "web.shop.svc" in line]
        assert route.split()[-1] == "web.shop"
        [endpoint] = lines("endpoint", "--cluster", clusters[0]["name"]).splitlines()[1:]
        assert endpoint.split()[1:] == ["HEALTHY", "OK", clusters[0]["name"]]
        assert "15006" in lines("listener", "--port", "15006")
        started_with = json.loads(lines("bootstrap"))
        assert started_with["node"]["metadata"]["NAMESPACE"] == "shop"
        assert "PRIVATE KEY" not in json.dumps(started_with)
        assert {line.split()[1] for line in lines("log", "--level", "warning").splitlines()[1:]} == {"warning"}
        [http] = [line for line in lines("log", "--level", "http:debug").splitlines() if line.startswith("http ")]
        assert http.split()[1] == "debug"
        assert "debug" not in lines("log", "--reset")

    def test_problems_of_what_runs(self) -> None:
        result = plait("analyze", "--mesh", MESH, "-o", "json")
        assert (result.returncode, json.loads(result.stdout)) == (0, [])

    def test_what_would_be_other_were_a_manifest_applied(self, tmp_path: Path) -> None:
        (tmp_path / "rule.yaml").write_text(RULE)
        result = plait("diff", "-f", str(tmp_path), "--mesh", MESH, "-o", "json")
        assert result.returncode == 1, result.stderr
        told = json.loads(result.stdout)
        resources = {each["name"]: each for group in told["groups"] for each in group["resources"]}
        web = resources["outbound|80||web.shop.svc.cluster.local"]
        assert {"path": "connect_timeout", "before": "10s", "after": "3s"} in web["fields"]
        assert (told["new_proxies"], told["gone_proxies"], told["proxies_cut"]) == ([], [], 0)
        (tmp_path / "rule.yaml").write_text(STRICT)
        cut = json.loads(plait("diff", "-f", str(tmp_path), "--mesh", MESH, "-o", "json").stdout)
        assert cut["proxies_cut"] == 1
        assert cut["connections_cut"] >= 0
        (tmp_path / "rule.yaml").write_text(MANIFESTS)
        result = plait("diff", "-f", str(tmp_path), "--mesh", MESH)
        assert (result.returncode, result.stdout) == (0, "nothing is other for any proxy that stays\n")

    def test_a_second_mesh_of_that_name_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty.yaml").write_text("")
        result = plait("up", str(tmp_path), "--mesh", MESH)
        assert result.returncode == 2
        assert f"a local mesh '{MESH}' runs already" in result.stderr


def test_ctrl_c_ends_it_with_status_0_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(MANIFESTS)
    name = f"{MESH}-end"
    process = subprocess.Popen([*PLAIT, "up", str(tmp_path), "--mesh", name], stdout=subprocess.PIPE)
    try:
        _until_ready(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    result = plait("proxy-status", "--mesh", name)
    assert result.returncode == 2
    assert "no local mesh" in result.stderr


TALKER = """\
apiVersion: v1
kind: Pod
metadata: {name: talker, namespace: talk}
spec:
  containers:
  - name: app
    image: none
    command: [sh, -c, "while :; do head -c 9999 /dev/zero | tr '\\\\0' x; echo; done"]
"""


def test_a_mesh_whose_output_nobody_reads_goes_on(tmp_path: Path) -> None:
    (tmp_path / "talk.yaml").write_text(TALKER)
    name = f"{MESH}-talk"
    process = subprocess.Popen([*PLAIT, "up", str(tmp_path), "--mesh", name], stdout=subprocess.PIPE)
    try:
        _until_ready(process)
        for _ in range(3):  # each takes longer than filling a pipe does
            result = plait("proxy-status", "--mesh", name)
            assert result.returncode == 0, result.stderr
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
