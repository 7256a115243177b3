"""Addresses of pods and services. Pure but for the pool of pod addresses, which remembers who has which."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

POD_NETWORK: Final = "10.77.0.0/16"
POD_NETWORK_V6: Final = "fd00:77::/112"
SERVICE_NETWORK: Final = "10.96.0.0/16"
SERVICE_NETWORK_V6: Final = "fd00:96::/112"


def cluster_ip(namespace: str, name: str, network: str = SERVICE_NETWORK) -> str:
    """The address that a service's name alone asks for, before clashes are settled (``assign_cluster_ips``)."""
    return _address(ip_network(network), _wish(namespace, name, ip_network(network)))


def assign_cluster_ips(
    services: Iterable[tuple[str, str]], *, taken: Iterable[str] = (), network: str = SERVICE_NETWORK
) -> dict[tuple[str, str], str]:
    """An address for each (namespace, name), the same in every run for the same names.

    Shape:   each gets the address of its hash; of two with the same one the later in sorted order gets the next free.
    Units:   ``taken`` are addresses that manifests ask for (``spec.clusterIP``) and nobody else may have.
    Errors:  ValueError when the network is full.
    """
    space = ip_network(network)
    used = set(taken)
    given: dict[tuple[str, str], str] = {}
    for namespace, name in sorted(set(services)):
        first = _wish(namespace, name, space)
        hosts = space.num_addresses - 2
        for step in range(hosts):
            address = _address(space, (first - 1 + step) % hosts + 1)
            if address not in used:
                break
        else:
            raise ValueError(f"no free address left in {network}")
        used.add(address)
        given[namespace, name] = address
    return given


def _wish(namespace: str, name: str, space: IPv4Network | IPv6Network) -> int:
    digest = hashlib.blake2b(f"{namespace}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % (space.num_addresses - 2) + 1


def _address(space: IPv4Network | IPv6Network, offset: int) -> str:
    return str(space[offset])


class AddressPool:
    """The addresses of one network, each lent to one holder; offset 1 is the node's own and never lent.

    A freed address is lent again only after all others were, so that nobody talks to a new pod by an old address.
    """

    def __init__(self, network: str) -> None:
        self._space = ip_network(network)
        self._next = 2
        self._freed: list[str] = []
        self._lent: dict[Hashable, str] = {}

    @property
    def node(self) -> str:
        """The node's address in this network: the pods' gateway and resolver."""
        return _address(self._space, 1)

    def lend(self, holder: Hashable) -> str:
        """The holder's address, the same as long as it is not given back. ValueError when the network is full."""
        if holder in self._lent:
            return self._lent[holder]
        if self._next < self._space.num_addresses - 1:
            address = _address(self._space, self._next)
            self._next += 1
        elif self._freed:
            address = self._freed.pop(0)
        else:
            raise ValueError(f"no free address left in {self._space}")
        self._lent[holder] = address
        return address

    def give_back(self, holder: Hashable) -> None:
        """Free the holder's address; nothing when it has none."""
        address = self._lent.pop(holder, None)
        if address is not None:
            self._freed.append(address)
