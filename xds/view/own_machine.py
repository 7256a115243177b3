"""Endpoints that would lead a proxy into its own machine: who writes one may not be who runs the proxy."""

from __future__ import annotations

from typing import Final

from xds.model.endpoint import UNIX
from xds.model.families import plain_address
from xds.view.names import ADMIN_PORT

# Metadata services of clouds at addresses that are not the link's own: Azure's, Alibaba's, Amazon's and Google's.
_METADATA: Final = frozenset({"168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"})


def is_admin(address: str, port: int) -> bool:
    """Whether it may be the caller's own admin interface: at loopback, or a name, which may come to mean that."""
    if port != ADMIN_PORT:
        return False
    found = plain_address(address)
    return found is None or found.is_loopback or found.is_unspecified


def is_of_machine(address: str) -> bool:
    """Whether what answers there depends on the machine of who calls: a socket file, a cloud's metadata service."""
    found = plain_address(address)
    return address.startswith(UNIX) if found is None else found.is_link_local or str(found) in _METADATA
