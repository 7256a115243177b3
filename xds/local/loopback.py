"""Pods without root: processes on the loopback interface, each with an address of 127.0.0.0/8, and an explicit proxy.

Linux takes all of 127.0.0.0/8 for its own, so each pod has an address that only its processes bind. Nothing is
intercepted: containers are told by ``http_proxy`` to send HTTP through their Envoy. Processes get a signal when this
process dies, but what they started themselves may live on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from xds.local import secrets
from xds.local.commands import CommandFailed, User
from xds.local.pod_host import Sandbox
from xds.local.pods import PodSpec
from xds.local.services import HostAddresses, LocalService
from xds.model.interception import Interception

NETWORK: Final = "127.77.0.0/16"
# Where a pod's Envoy listens as an HTTP proxy, at the pod's address.
PROXY_PORT: Final = 15080

# What does not work as it does with namespaces, for people to read.
DIFFERENCES: Final = (
    "only HTTP that honours http_proxy goes through a sidecar; other traffic goes straight, and inbound is not covered",
    "service names work through the proxy only: there is no DNS, and ClusterIPs lead nowhere",
    "containers must listen on $POD_IP (plait echo does): on 0.0.0.0 two pods with one port clash",
    "pods see each other's processes and the host's network; a container's own children may outlive `plait up`",
)


@dataclass(frozen=True, slots=True)
class LoopbackSandbox:
    """A pod's address, and no more."""

    address: str
    sidecar: bool
    holder: int = 0
    namespace: int = -1

    @property
    def env(self) -> Mapping[str, str]:
        """Where echo servers listen and, beside a sidecar, which proxy to use."""
        listen = {"ECHO_ADDRESS": self.address}
        if not self.sidecar:
            return listen
        return listen | {"http_proxy": f"http://{self.address}:{PROXY_PORT}", "no_proxy": "localhost,127.0.0.1"}

    def command(self, user: User, words: Sequence[str], directory: Path) -> tuple[str, ...]:
        """The command, killed when we die; always under our own user, as who is not root has no other."""
        return ("setpriv", "--pdeathsig=KILL", "env", f"--chdir={directory}", *words)

    async def intercept(self, what: Interception) -> None:
        """Nothing: there is no interception without root."""

    async def close(self) -> None:
        """Nothing: there is nothing but the pod's programs."""


class LoopbackHost:
    """A folder for files and sockets."""

    def __init__(self, folder: Path, envoy: Path) -> None:
        self._folder = folder
        self.envoy = envoy
        self.pid = 0
        self.namespace = -1

    @classmethod
    def start(cls, folder: Path, envoy: Path | None) -> Self:
        """A host that keeps its files in ``folder``, emptied first. CommandFailed when a program is missing."""
        if shutil.which("setpriv") is None:
            raise CommandFailed("setpriv is not installed (package util-linux)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return cls(folder, envoy or Path("envoy"))

    async def open(self, spec: PodSpec, number: int, addresses: tuple[str, ...]) -> Sandbox:
        """The pod's address as a sandbox."""
        return LoopbackSandbox(addresses[0], spec.inject)

    def write(self, name: str, text: str) -> Path:
        """Write a file; returns its path."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_secret(self, name: str, text: str) -> Path:
        """Write a file that only our own user may read, as its pods do; returns its path."""
        path = self._folder / name
        secrets.write(path, text, os.geteuid())
        return path

    def remove_secrets(self, folder: str) -> None:
        """Remove a folder of such files."""
        secrets.remove(self._folder / folder)

    def socket(self, name: str) -> Path:
        """The path of a socket, the same for us and for pods."""
        return self._folder / name

    def admin_address(self, addresses: tuple[str, ...]) -> str:
        """The pod's address: loopback is shared by all."""
        return addresses[0]

    def set_services(self, services: tuple[LocalService, ...], hosts: Iterable[HostAddresses]) -> None:
        """Nothing: names are looked up by the proxies alone."""

    async def services_loaded(self) -> None:
        """At once."""

    async def stop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
