"""The local mesh: pods on this machine, their names and services; what ``plait up`` and the test kit drive.

The mesh knows nothing of routes or policies: who uses it tells it which pods to run (``apply``), which services there
are (``set_services``) and what each sidecar's bootstrap is, and hears of every pod's state (``changes``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from xds.local import loopback, sidecar, state
from xds.local.access import user_in
from xds.local.addresses import AddressPool
from xds.local.commands import CommandFailed, User, kill, missing_tools, started_at
from xds.local.host_ports import HostPort, HostPorts
from xds.local.namespace_host import NamespaceHost
from xds.local.output import OutputLine, Sink
from xds.local.pod import Pod
from xds.local.pod_host import PodHost
from xds.local.pod_place import PodPlace
from xds.local.pod_tokens import PodTokens
from xds.local.pods import Phase, PodKey, PodSpec, PodStatus
from xds.local.services import HostAddresses, LocalService
from xds.local.settings import LocalSettings
from xds.local.sidecar import BootstrapFor
from xds.model.interception import PROXY_ID

# How long replaced pods are kept when those that replace them do not become ready.
_REPLACE_WAIT: Final = timedelta(seconds=15)
_EXEC_LIMIT: Final = timedelta(seconds=30)


def unavailable() -> str:
    """Why pods cannot have namespaces here; empty when they can. Then ``LocalSettings.loopback`` still works."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root (try sudo)"
    missing = missing_tools()
    return f"these packages are not installed: {', '.join(missing)}" if missing else ""


class LocalMesh:
    """Pods on this machine. An asynchronous context manager: outside it nothing of the mesh exists.

    ``bootstrap_for`` gives the bootstrap of a pod's Envoy (``sidecar.bootstraps`` for the usual one); ``sink`` takes
    every line that pods write; ``tokens`` issues what sidecars prove themselves with, where ``bootstrap_for`` has them
    do that.
    """

    def __init__(
        self, settings: LocalSettings, bootstrap_for: BootstrapFor, sink: Sink, *, tokens: PodTokens | None = None
    ) -> None:
        self._settings = settings
        self._bootstrap_for = bootstrap_for
        self._tokens = tokens
        self._sink = sink
        self._folder = state.state_folder()
        networks = (loopback.NETWORK,) if settings.loopback else (settings.pod_network, settings.pod_network_v6)
        self._pools = tuple(AddressPool(network) for network in networks if network)
        self._pods: dict[PodKey, Pod] = {}
        self._lives: dict[PodKey, asyncio.Task[None]] = {}
        self._watchers: set[asyncio.Queue[PodStatus]] = set()
        self._applying = asyncio.Lock()
        self._sockets: set[str] = set()
        self._numbers = 0
        self._running: PodHost | None = None
        self._claim = -1
        self._user = User(settings.app_uid, settings.app_uid)
        self._withdrawn: Callable[[], Awaitable[None]] | None = None
        self._host_ports = HostPorts(self._host_port_opened)
        self._relaying: asyncio.Task[None] | None = None

    # -- life

    async def __aenter__(self) -> Self:
        settings = self._settings
        reason = "" if settings.loopback else unavailable()
        if reason:
            raise CommandFailed(reason)
        try:
            self._claim = state.claim(settings.name, self._folder)
        except state.NotFree as error:
            raise CommandFailed(str(error)) from None
        try:
            await self._open()
        except BaseException:
            state.release(settings.name, self._folder, self._claim)
            raise
        return self

    async def _open(self) -> None:
        settings = self._settings
        state.running(self._folder)  # removes the files of those that have died
        envoy = settings.envoy or sidecar.installed_envoy()
        if settings.loopback:
            self._running = loopback.LoopbackHost.start(state.files_folder(settings.name), envoy)
        else:
            self._running = await NamespaceHost.start(settings, [pool.node for pool in self._pools], envoy)
            self._user = await user_in(self._running.pid, settings.app_uid, settings.folder)
        self._relaying = asyncio.create_task(self._host_ports.keep(self._host.namespace), name="host ports")
        self._write_state()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pod in self._pods.values():
            pod.stop()
        if self._lives:
            await asyncio.wait(self._lives.values())
        if self._relaying is not None:
            self._relaying.cancel()
            await asyncio.gather(self._relaying, return_exceptions=True)
        await self._host.stop()
        state.remove(self._settings.name, self._folder)
        state.release(self._settings.name, self._folder, self._claim)

    @property
    def _host(self) -> PodHost:
        if self._running is None:
            raise RuntimeError("the local mesh is not running")
        return self._running

    @property
    def loopback(self) -> bool:
        """Whether its pods have no namespaces of their own."""
        return self._settings.loopback

    def socket_path(self, name: str) -> Path:
        """Where a server of ours binds the unix socket that pods know as ``/run/plait/name``.

        Other terminals find it in the mesh's state under ``name``.
        """
        self._sockets.add(name)
        return self._host.socket(name)

    def open_to_proxies(self, name: str) -> None:
        """Let Envoys, and no application, connect to that unix socket. To be called when it is bound."""
        if not self._settings.loopback:
            path = self._host.socket(name)
            os.chown(path, PROXY_ID, PROXY_ID)
            path.chmod(0o600)

    # -- pods

    async def apply(self, specs: Iterable[PodSpec]) -> None:
        """Run exactly these pods. New ones are started first; those no longer wanted end when the new ones are ready.

        Returns when the old ones are gone, without waiting for pods that have nothing to replace.
        """
        async with self._applying:
            wanted = {spec.key: spec for spec in specs}
            changed = [key for key, pod in self._pods.items() if key in wanted and wanted[key] != pod.spec]
            await self._stop(changed)  # same name: the old one must be gone first
            old = [key for key in self._pods if key not in wanted]
            new = [key for key in wanted if key not in self._pods]
            for key in new:
                self._start(wanted[key])
            if old and new:
                with contextlib.suppress(TimeoutError):
                    await self.until_ready(_REPLACE_WAIT, new)
            await self._stop(old)
            self._write_state()

    def _start(self, spec: PodSpec) -> None:
        self._numbers += 1
        place = PodPlace(
            host=self._host,
            number=self._numbers,
            addresses=tuple(pool.lend(spec.key) for pool in self._pools),
            resolver=self._pools[0].node,
            user=self._user,
            settings=self._settings,
            sink=self._sink,
            bootstrap_for=self._bootstrap_for,
            changed=self._pod_changed,
            tokens=self._tokens,
        )
        pod = Pod(spec, place)
        self._pods[spec.key] = pod
        self._lives[spec.key] = asyncio.create_task(pod.run(), name=f"pod {spec.key}")
        self._pod_changed(pod.status)

    def ask_before_stopping(self, withdrawn: Callable[[], Awaitable[None]]) -> None:
        """Have ``withdrawn`` awaited between a pod's withdrawal from its services and its end."""
        self._withdrawn = withdrawn

    async def _stop(self, keys: Sequence[PodKey]) -> None:
        for key in keys:
            self._pods[key].withdraw()
        if keys and self._withdrawn is not None:
            await self._withdrawn()
            await asyncio.gather(*(self._pods[key].quiet() for key in keys))
        for key in keys:
            self._pods[key].stop()
        await asyncio.gather(*(self._lives[key] for key in keys))
        for key in keys:
            del self._pods[key], self._lives[key]
            for pool in self._pools:
                pool.give_back(key)

    def _pod_changed(self, status: PodStatus) -> None:
        for queue in self._watchers:
            queue.put_nowait(status)
        self._write_state()

    @property
    def statuses(self) -> Mapping[PodKey, PodStatus]:
        """The state of every pod, now."""
        return {key: pod.status for key, pod in sorted(self._pods.items())}

    async def changes(self) -> AsyncGenerator[PodStatus, None]:
        """The state of every pod, then each new state of any, for ever; the last of a pod has phase Gone."""
        queue: asyncio.Queue[PodStatus] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            for status in self.statuses.values():
                yield status
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def until_ready(self, limit: timedelta, keys: Iterable[PodKey] | None = None) -> None:
        """Return when all pods (or those of ``keys``) are ready or complete. TimeoutError names the others."""
        wanted = list(keys) if keys is not None else list(self._pods)
        try:
            async with asyncio.timeout(limit.total_seconds()), contextlib.aclosing(self.changes()) as changes:
                while self._unready(wanted):
                    await anext(changes)
        except TimeoutError:
            raise TimeoutError(f"not ready: {', '.join(self._unready(wanted))}") from None

    def _unready(self, keys: Iterable[PodKey]) -> list[str]:
        statuses = [self._pods[key].status for key in keys if key in self._pods]
        return [f"{s.key} ({s.phase})" for s in statuses if not s.ready and s.phase is not Phase.SUCCEEDED]

    async def exec(
        self, key: PodKey, command: Sequence[str], *, text: str = "", limit: timedelta = _EXEC_LIMIT
    ) -> subprocess.CompletedProcess[str]:
        """The ended command, run in the pod as its containers are; its traffic is intercepted like theirs.

        Errors: KeyError for an unknown pod; TimeoutError after ``limit`` (the command is killed).
        """
        pod = self._pods[key]
        argv = pod.command(command)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, env=pod.env, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                out, err = await process.communicate(text.encode())
        except BaseException:
            await kill(process)
            raise
        status = process.returncode if process.returncode is not None else -1
        said = (stream.decode(errors="replace") for stream in (out, err))
        return subprocess.CompletedProcess(list(command), status, *said)

    async def admin_get(self, key: PodKey, path: str, *, method: str = "GET") -> tuple[int, bytes]:
        """Status and body of a request to the admin interface of the pod's Envoy. OSError when it does not answer."""
        return await asyncio.to_thread(sidecar.admin, self._pods[key].admin, path, method=method)

    # -- services

    def set_services(self, services: Iterable[LocalService], hosts: Iterable[HostAddresses] = ()) -> None:
        """Make these services and hosts resolvable at once, and their ClusterIPs reachable a moment later."""
        known = tuple(services)
        self._host.set_services(known, hosts)
        self._host_ports.set(known)

    @property
    def host_ports(self) -> Mapping[HostPort, str]:
        """Where this machine reaches the Services of type LoadBalancer: an address for each of their ports."""
        return self._host_ports.addresses

    def _host_port_opened(self, port: HostPort, address: str) -> None:
        key = PodKey(port.namespace, port.service)
        self._sink(OutputLine(key, "plait", f"port {port.port} is reached at {address}"))

    async def services_loaded(self) -> None:
        """Return when the rules of the last ``set_services`` are in force."""
        await self._host.services_loaded()

    def _write_state(self) -> None:
        """Tell other terminals what runs."""
        pods = tuple(pod.entry() for _, pod in sorted(self._pods.items()) if pod.set_up)
        sockets = {name: str(self._host.socket(name)) for name in sorted(self._sockets)}
        pid = os.getpid()
        entry = state.MeshEntry(self._settings.name, pid, started_at(pid), self._host.pid, sockets, pods)
        state.write(entry, self._folder)
