"""``python -m bench.on_demand`` (as root): what a sidecar weighs that holds only what it uses, and how long it asks."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from xds.testing.mesh import Mesh, running_mesh

_LIMIT: Final = timedelta(minutes=4)
_USED: Final = ("used-0", "used-1", "used-2", "used-3", "used-4")
_MIB: Final = 2**20
# In a pod's own view of processes there is one Envoy.
_RSS: Final = "awk '/^Name:/ {name = $2} /^VmRSS:/ {if (name ~ /envoy/) print $2}' /proc/[0-9]*/status"


def main() -> int:
    """Exit status 0 when both bars of the issue hold, 1 when not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=5000, help="how many the mesh has (default: 5000)")
    return asyncio.run(_run(options.parse_args().services))


async def _run(services: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with running_mesh(_manifests(services), Path(folder), limit=_LIMIT) as mesh:
            weights, asked = await _measured(mesh)
    slow = max(asked)
    print(f"{services} services, {len(_USED)} used")
    for pod, (rss, clusters) in weights.items():
        print(f"{pod:8} {rss / _MIB:6.1f} MiB resident, {clusters} clusters")
    print(f"first requests: median {statistics.median(asked):.1f} ms, slowest {slow:.1f} ms more than a known host's")
    return 0 if weights["lazy"][0] < 90 * _MIB and slow < 60 else 1


async def _measured(mesh: Mesh) -> tuple[dict[str, tuple[int, int]], list[float]]:
    asked = []
    for host in _USED:
        first = await mesh.get("lazy", f"http://{host}/")
        again = await mesh.requests("lazy", f"http://{host}/", 5)
        assert {answer.status for answer in (first, *again)} == {200}, first
        usual = statistics.median(answer.elapsed / timedelta(milliseconds=1) for answer in again)
        asked.append(first.elapsed / timedelta(milliseconds=1) - usual)
        assert (await mesh.get("whole", f"http://{host}/")).status == 200
    return {pod: await _weight(mesh, pod) for pod in ("lazy", "whole")}, asked


async def _weight(mesh: Mesh, pod: str) -> tuple[int, int]:
    found = await mesh.stats(pod, r"^cluster_manager\.active_clusters$")
    done = await mesh.local.exec(mesh.pod(pod), ["sh", "-c", _RSS])
    return int(done.stdout) * 1024, found["cluster_manager.active_clusters"]


def _manifests(services: int) -> str:
    labels = {"plait.dev/outbound": "on-demand"}
    found = [_of("Namespace", "shop", labels={"istio-injection": "enabled"})]
    found += [_pod("web", {"app": "web"}), _pod("lazy", {"app": "lazy", **labels}), _pod("whole", {"app": "whole"})]
    found += [_service(name, {"app": "web"}) for name in _USED]
    found += [_service(f"idle-{number}", {"app": "nobody"}) for number in range(services - len(_USED))]
    return "\n---\n".join(map(json.dumps, found))


def _of(kind: str, name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    namespace = {} if kind == "Namespace" else {"namespace": "shop"}
    plain = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **namespace, **metadata}}
    return plain if spec is None else {**plain, "spec": spec}


def _pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    container = {"name": "app", "image": "plait/echo", "ports": [{"name": "http", "containerPort": 8080}]}
    return _of("Pod", name, {"containers": [container], "terminationGracePeriodSeconds": 0}, labels=labels)


def _service(name: str, selector: dict[str, str]) -> dict[str, Any]:
    return _of("Service", name, {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]})


if __name__ == "__main__":
    sys.exit(main())
