"""What carries pods, in words of no particular mode: with namespaces of their own, or on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from xds.local.commands import User
from xds.local.pods import PodSpec
from xds.local.services import HostAddresses, LocalService
from xds.model.interception import Interception


class Sandbox(Protocol):
    """Where the processes of one pod run.

    ``holder`` is the process that keeps its namespaces and ``namespace`` a descriptor of the network's; 0 and -1 when
    it has none. ``env`` is what its containers need to know of it.
    """

    @property
    def holder(self) -> int:
        """A process id on this machine."""

    @property
    def namespace(self) -> int:
        """An open descriptor, negative after ``close``."""

    @property
    def env(self) -> Mapping[str, str]:
        """Variables for containers, beneath their own."""

    def command(self, user: User, words: Sequence[str], directory: Path) -> tuple[str, ...]:
        """The command as run in here by that user."""

    async def intercept(self, what: Interception) -> None:
        """Send the pod's traffic through its sidecar."""

    async def close(self) -> None:
        """End what keeps it; returns when nothing is left."""


class PodHost(Protocol):
    """Where sandboxes are. ``pid`` is its first process, 0 when there is none; ``envoy`` the binary as pods see it."""

    @property
    def pid(self) -> int:
        """A process id on this machine."""

    @property
    def namespace(self) -> int:
        """A descriptor of the network namespace from which pods are reached; -1 when it is ours."""

    @property
    def envoy(self) -> Path:
        """The path of Envoy."""

    async def open(self, spec: PodSpec, number: int, addresses: tuple[str, ...]) -> Sandbox:
        """A sandbox for the pod. ``number`` is unlike that of every other pod. CommandFailed when refused."""

    def write(self, name: str, text: str) -> Path:
        """Write a file that pods may read; returns the path that they find it under."""

    def write_secret(self, name: str, text: str) -> Path:
        """Write a file that proxies may read and nobody else, in one step; returns the path that they find it under.

        Its folder holds secrets only, and is closed to everybody else too.
        """

    def remove_secrets(self, folder: str) -> None:
        """Remove a folder of such files; nothing when there is none."""

    def socket(self, name: str) -> Path:
        """Where this process binds a unix socket for pods."""

    def admin_address(self, addresses: tuple[str, ...]) -> str:
        """The address of the admin interface of a pod's Envoy."""

    def set_services(self, services: tuple[LocalService, ...], hosts: Iterable[HostAddresses]) -> None:
        """Make these services and hosts known to the pods."""

    async def services_loaded(self) -> None:
        """Return when the last services are in force."""

    async def stop(self) -> None:
        """End it; returns when nothing is left."""
