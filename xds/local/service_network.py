"""The node's rules for ClusterIPs, kept up to date: of several changes in a row only the last is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from xds.local.node import Node
from xds.local.service_rules import base_rules, service_rules
from xds.local.services import LocalService


class ServiceNetwork:
    """The services that pods reach by address.

    ``addresses`` are the node's, one for each of ``networks``: pairs of the pods' and that of ClusterIPs.
    """

    def __init__(self, addresses: Sequence[str], networks: Sequence[tuple[str, str]]) -> None:
        self._families = tuple(
            (address, ip_address(address).version, inside) for address, inside in zip(addresses, networks, strict=True)
        )
        self._wanted: tuple[LocalService, ...] = ()
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()

    async def prepare(self, node: Node, egress_port: int) -> None:
        """Load what stays the same: the chains, and the way out through the relay (port 0: none), for one family."""
        for address, version, inside in self._families:
            await node.load_rules(base_rules(address, inside, egress_port), version)
            egress_port = 0

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
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = self._wanted
            for address, version, (_, services) in self._families:
                await node.load_rules(service_rules(address, wanted, services), version)
            if wanted is self._wanted:
                self._loaded.set()
