"""Pods with namespaces of their own: the node, its resolver, its services, its way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from xds.local import secrets
from xds.local.egress import Egress
from xds.local.names import ClusterNames
from xds.local.node import RUN_DIR, Node
from xds.local.pod_host import Sandbox
from xds.local.pod_network import open_pod
from xds.local.pods import PodSpec
from xds.local.resolver import Resolver, host_resolvers
from xds.local.service_network import ServiceNetwork
from xds.local.services import HostAddresses, LocalService
from xds.local.settings import LocalSettings
from xds.model.interception import PROXY_ID


class NamespaceHost:
    """A running node with all that its pods need."""

    def __init__(self, node: Node, resolver: Resolver, network: ServiceNetwork, address: str) -> None:
        self._node = node
        self._resolver = resolver
        self._network = network
        self._address = address
        self._egress: Egress | None = None
        self._rules: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, settings: LocalSettings, addresses: Sequence[str], envoy: Path | None) -> Self:
        """A host whose node has these addresses, one for each of the settings' networks.

        Errors: CommandFailed or OSError when it cannot be.
        """
        node = await Node.start(tuple(addresses), envoy)
        network = ServiceNetwork(addresses, settings.networks)
        host = cls(node, Resolver(ClusterNames(()), _upstream()), network, addresses[0])
        try:
            await host._open(settings)
        except BaseException:
            await host.stop()
            raise
        return host

    async def _open(self, settings: LocalSettings) -> None:
        await self._resolver.listen(self._node.namespace, self._address)
        if settings.egress:
            self._egress = await Egress.start(self._node.namespace, self._address)
        await self._network.prepare(self._node, self._egress.port if self._egress else 0)
        self._rules = asyncio.create_task(self._network.keep(self._node), name="service rules")

    @property
    def pid(self) -> int:
        """The node's first process."""
        return self._node.pid

    @property
    def namespace(self) -> int:
        """The node's."""
        return self._node.namespace

    @property
    def envoy(self) -> Path:
        """Where the node has the binary, whatever folder it is in on the host."""
        return RUN_DIR / "envoy"

    async def open(self, spec: PodSpec, number: int, addresses: tuple[str, ...]) -> Sandbox:
        """Namespaces for the pod, linked to the node. CommandFailed when refused."""
        return await open_pod(self._node, spec, number, addresses, self._address)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the node's own file system; returns the path that pods find it under."""
        return self._node.write(name, text)

    def write_secret(self, name: str, text: str) -> Path:
        """Write a file into the node's own file system that only proxies may read."""
        secrets.write(self._node.path(name), text, PROXY_ID)
        return RUN_DIR / name

    def remove_secrets(self, folder: str) -> None:
        """Remove a folder of such files."""
        secrets.remove(self._node.path(folder))

    def socket(self, name: str) -> Path:
        """Where this process binds the socket that pods know as ``/run/plait/name``."""
        return self._node.path(name)

    def admin_address(self, addresses: tuple[str, ...]) -> str:
        """Loopback: each pod has its own."""
        return "127.0.0.1"

    def set_services(self, services: tuple[LocalService, ...], hosts: Iterable[HostAddresses]) -> None:
        """Make names resolvable at once and ClusterIPs reachable a moment later."""
        self._resolver.names = ClusterNames(services, hosts)
        self._network.set(services)

    async def services_loaded(self) -> None:
        """Return when the rules of the last services are in force."""
        await self._network.loaded()

    async def stop(self) -> None:
        """End the node and every process in it."""
        if self._rules is not None:
            self._rules.cancel()
            await asyncio.gather(self._rules, return_exceptions=True)
        await self._resolver.close()
        if self._egress is not None:
            self._egress.close()
        await self._node.stop()


def _upstream() -> tuple[str, ...]:
    """The host's resolvers; none when there is no readable resolv.conf."""
    try:
        return host_resolvers(Path("/etc/resolv.conf").read_text())
    except OSError:
        return ()
