"""The node's rules for ClusterIPs, kept up to date: of several changes in a row only the last is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from xds.local.node import Node
from xds.local.service_rules import base_rules, service_rules
from xds.local.services import LocalService


class ServiceNetwork:
    """The services that pods reach by address. ``addresses`` are the node's, one for each family, IPv4 first."""

    def __init__(self, addresses: Sequence[str], pod_network: str, service_network: str) -> None:
        self._addresses = tuple(addresses)
        self._pod_network = pod_network
        self._service_network = service_network
        self._wanted: tuple[LocalService, ...] = ()
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()

    async def prepare(self, node: Node, egress_port: int) -> None:
        """Load what stays the same: the chains, and the way out through the relay (port 0: none)."""
        first, *others = self._addresses
        await node.load_rules(base_rules(first, (self._pod_network, self._service_network), egress_port))
        for address in others:
            await node.load_rules(base_rules(address, ()), 6)

    def set(self, services: Iterable[LocalService]) -> None:
        """Want these services, and no others, reachable."""
        self._wanted = tuple(services)
        self._loaded.clear()
        self._changed.set()

    async def loaded(self) -> None:
        """Return when the rules of the services wanted last are in force."""
        await self._loaded.wait()

    async def keep(self, node: Node) -> None:
        """Load the rules of the services wanted, for ever."""
        first, *others = self._addresses
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = self._wanted
            await node.load_rules(service_rules(first, wanted, self._service_network))
            for address in others:
                await node.load_rules(service_rules(address, wanted), 6)
            if wanted is self._wanted:
                self._loaded.set()
