"""Address families: which a proxy has decides where its listeners are bound and which endpoints it can reach."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

ANY: Final = "0.0.0.0"
ANY_V6: Final = "::"
_MAPPED: Final = 96  # the bits of ::ffff:0:0/96, below which an IPv6 network is IPv4 in other words


class Families(Enum):
    """The address families of a proxy. With both, sockets are one a family: no address is ever an IPv4-mapped one."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    BOTH = "both"

    @property
    def anywhere(self) -> tuple[str, ...]:
        """The addresses that stand for all of each family, IPv4 first."""
        return _ANYWHERE[self]

    def bound(self, address: str) -> tuple[str, ...]:
        """Where a listener is bound that is to be at ``address``: 0.0.0.0 stands for all addresses of the proxy."""
        return self.anywhere if address == ANY else (address,)

    def takes(self, address: str) -> bool:
        """Whether a proxy reaches an address; all reach what is none (a name, a ``unix://`` socket)."""
        if self is Families.BOTH or (self is Families.IPV4 and ":" not in address):
            return True
        version = version_of(address)
        return version == 0 or (version == 6) is (self is Families.IPV6)


_ANYWHERE: Final = {Families.IPV4: (ANY,), Families.IPV6: (ANY_V6,), Families.BOTH: (ANY, ANY_V6)}


def families(addresses: Iterable[str]) -> Families:
    """The families of a proxy by its addresses; IPv4 where it has none. A link's own addresses are no way to others."""
    parsed = (plain_address(each) for each in addresses)
    versions = {each.version for each in parsed if each is not None and not each.is_link_local}
    if 6 not in versions:
        return Families.IPV4
    return Families.BOTH if 4 in versions else Families.IPV6


def version_of(address: str) -> int:
    """4 or 6, an IPv4-mapped address being 4; 0 where the text is no address."""
    if ":" not in address and "%" not in address:  # most addresses, by far
        last = address.rpartition(".")[2]
        return 4 if last.isdecimal() else 0
    parsed = plain_address(address)
    return parsed.version if parsed is not None else 0


def is_ip(text: str) -> bool:
    """Whether the text is an IP address and nothing else: no name, no ``unix://`` socket."""
    return plain_address(text) is not None


def plain_network(text: str) -> IPv4Network | IPv6Network:
    """The network (or single address) as Envoy meets its addresses: an IPv4-mapped one is IPv4. Errors: ValueError."""
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network(f"{mapped}/{found.prefixlen - _MAPPED}")
    return found


def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address as Envoy meets it: an IPv4-mapped one is IPv4. None where the text is no address."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found
