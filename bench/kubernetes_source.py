"""``python -m bench.kubernetes_source``: how long a cluster of a thousand services takes to be read; its memory.

A real kube-apiserver holds the objects, a process of its own reads them into a store; they share the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench.process import usage
from tests.kube.api_server import ApiServer, binaries
from xds.cli.collector import relax
from xds.events import set_up
from xds.sources.changes import Replaced
from xds.sources.kube_config import connect
from xds.sources.kubernetes import KubernetesSource
from xds.sources.store import ObjectStore

_NAMESPACES: Final = 20
_WRITERS: Final = 16
_CHANGES: Final = 30
_TICK_S: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Cluster:
    """How much stands in the cluster."""

    services: int = 1000
    endpoints: int = 10
    pods: int = 2000

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each object with the path that it is posted to; services, slices and pods as controllers write them."""
        for number in range(_NAMESPACES):
            yield "/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}}
        for number in range(self.services):
            where, name = f"team-{number % _NAMESPACES}", f"service-{number}"
            labels = {"app": name, "kubernetes.io/service-name": name}
            yield f"/api/v1/namespaces/{where}/services", _service(name)
            yield (
                f"/apis/discovery.k8s.io/v1/namespaces/{where}/endpointslices",
                {
                    "metadata": {"name": f"{name}-x7k2p", "labels": labels},
                    "addressType": "IPv4",
                    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                    "endpoints": [_endpoint(number * self.endpoints + each, where) for each in range(self.endpoints)],
                },
            )
        for number in range(self.pods):
            where = f"team-{number % _NAMESPACES}"
            yield f"/api/v1/namespaces/{where}/pods", _pod(f"service-{number % self.services}", number)


def _address(number: int) -> str:
    return f"10.{20 + number // 65536}.{number // 256 % 256}.{number % 256}"


def _service(name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"selector": {"app": name}, "ports": ports}}


def _endpoint(number: int, namespace: str) -> dict[str, Any]:
    return {
        "addresses": [_address(number)],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{number % 100}",
        "zone": f"zone-{number % 3}",
        "targetRef": {"kind": "Pod", "namespace": namespace, "name": f"pod-{number}", "uid": f"0b5c-{number:08x}"},
    }


def _pod(app: str, number: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}
    container = {
        "name": "app",
        "image": f"registry.example/{app}:1.0",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": f"SETTING_{each}", "value": f"value-{each}-of-{app}"} for each in range(12)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "metadata": {
            "name": f"pod-{number}",
            "labels": {"app": app, "pod-template-hash": f"{number:08x}", "version": f"v{number % 2}"},
            "annotations": {f"example.com/note-{each}": "words " * 10 for each in range(4)},
        },
        "spec": {
            "nodeName": f"node-{number % 100}",
            "serviceAccountName": app,
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }


async def _write(kubeconfig: Path, cluster: Cluster) -> int:
    """Post all objects; how many there were."""
    async with _client(kubeconfig) as client:
        waiting = iter(list(cluster.objects()))
        namespaces = [next(waiting) for _ in range(_NAMESPACES)]
        for path, found in namespaces:
            (await client.post(path, json=found)).raise_for_status()

        async def post() -> int:
            count = 0
            for path, found in waiting:
                (await client.post(path, json=found)).raise_for_status()
                count += 1
            return count

        return len(namespaces) + sum(await asyncio.gather(*(post() for _ in range(_WRITERS))))


def _client(kubeconfig: Path) -> httpx.AsyncClient:
    found = connect(kubeconfig).configuration
    headers = {"authorization": found.get_api_key_with_prefix("BearerToken", alias="authorization")}
    return httpx.AsyncClient(
        base_url=found.host, verify=found.ssl_ca_cert, headers=headers, timeout=60, trust_env=False
    )


async def _measure(kubeconfig: Path) -> dict[str, float]:
    """Read the cluster once; seconds, processor seconds, bytes and how long the loop was held."""
    source = KubernetesSource(connect(kubeconfig))
    store = ObjectStore([source.name])
    async with _client(kubeconfig) as client:  # loads the libraries that the first request does, for once
        (await client.get("/version")).raise_for_status()
    holding = asyncio.create_task(_held())
    before, started = usage(_own()), time.monotonic()
    async with aclosing(source.changes()) as changes:
        first = await anext(changes)
        synced, after = time.monotonic() - started, usage(_own())
        assert isinstance(first, Replaced)
        holding.cancel()
        held = (await asyncio.gather(holding))[0]
        store.apply(first)
        del first
        async with _client(kubeconfig) as client:
            latencies = [await _change(client, changes, number) for number in range(_CHANGES)]
    latencies.sort()
    return {
        "objects": len(store),
        "synced_s": synced,
        "cpu_s": after.cpu - before.cpu,
        "loop_held_s": held,
        "rss_before_bytes": before.rss,
        "rss_bytes": usage(_own()).rss,
        "change_p50_s": latencies[len(latencies) // 2],
        "change_max_s": latencies[-1],
    }


async def _change(client: httpx.AsyncClient, changes: Any, number: int) -> float:
    """Seconds from sending a change of a slice until the source tells it."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/team-{number % _NAMESPACES}/endpointslices/service-{number}-x7k2p"
    patch = {"endpoints": [_endpoint(secrets.randbelow(1 << 20), "n")]}
    started = time.monotonic()
    headers = {"content-type": "application/merge-patch+json"}
    patching = asyncio.create_task(client.patch(path, json=patch, headers=headers))
    async for change in changes:
        if any(found.ref.kind == "EndpointSlice" for found in change.upserts):
            break
    took = time.monotonic() - started
    (await patching).raise_for_status()
    return took


async def _held() -> float:
    """The longest turn of the event loop, in its thread's own time, until cancelled."""
    longest = 0.0
    try:
        while True:
            before = time.thread_time()
            await asyncio.sleep(_TICK_S)
            longest = max(longest, time.thread_time() - before)
    except asyncio.CancelledError:
        return longest


def _own() -> int:
    return int(Path("/proc/self").resolve().name)


def main() -> int:
    """Exit status 0, 2 without an API server."""
    parser = argparse.ArgumentParser(prog="python -m bench.kubernetes_source", description=__doc__)
    parser.add_argument("--services", type=int, default=1000, help="services, each with a slice (1000)")
    parser.add_argument("--endpoints", type=int, default=10, help="endpoints of each slice (10)")
    parser.add_argument("--pods", type=int, default=2000, help="pods (2000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often it is read (3)")
    parser.add_argument("--measure", type=Path, metavar="KUBECONFIG", help="read that cluster once, in this process")
    options = parser.parse_args()
    if options.measure:
        set_up("error")
        relax()
        print(json.dumps(asyncio.run(_measure(options.measure))))
        return 0
    assets = binaries()
    if assets is None:
        print("no kube-apiserver here: `make kubernetes` builds it", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="plait-bench-") as scratch:
        server = ApiServer(Path(scratch), assets)
        try:
            server.start()
            started = time.monotonic()
            cluster = Cluster(options.services, options.endpoints, options.pods)
            count = asyncio.run(_write(server.kubeconfig, cluster))
            print(f"{count} objects written in {time.monotonic() - started:.1f} s")
            for _ in range(options.repeats):
                _show(server.kubeconfig)
        finally:
            server.close()
    return 0


def _show(kubeconfig: Path) -> None:
    command = [sys.executable, "-m", "bench.kubernetes_source", "--measure", str(kubeconfig)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    print(
        f"{found['objects']} objects: synced in {found['synced_s']:.2f} s, {found['cpu_s']:.2f} s of processor; "
        f"loop held {1000 * found['loop_held_s']:.1f} ms; memory {found['rss_before_bytes'] >> 20} MiB before, "
        f"{found['rss_bytes'] >> 20} MiB after; a slice's change told in {1000 * found['change_p50_s']:.1f} ms "
        f"(worst of {_CHANGES}: {1000 * found['change_max_s']:.1f} ms)"
    )


if __name__ == "__main__":
    sys.exit(main())
