"""HTTP to addresses that users name, kept from those that they must not reach through the control plane."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

Network = IPv4Network | IPv6Network


class Blocked(httpx.TransportError):
    """A host all of whose addresses may not be asked."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves hosts itself and connects to what it has checked: for redirects too, and a name cannot change between.

    TLS is verified for the name, by the usual authorities or those in SSL_CERT_FILE. No connection is kept: one that
    was verified for another name would be used again.
    """

    def __init__(self, blocked: Sequence[Network]) -> None:
        self._blocked = tuple(blocked)
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response of the first address that can be connected to.

        Errors: Blocked; httpx.ConnectError when there is no such host or no address answers; httpx's other errors.
        """
        host = request.url.host
        addresses = [
            address for address in await _resolved(host, request.url.port or 0) if not self._is_blocked(address)
        ]
        if not addresses:
            raise Blocked(f"{host} is at a blocked address")
        refused = httpx.ConnectError(f"no connection to {host}")
        for address in addresses:
            try:
                return await self._inner.handle_async_request(_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused = httpx.ConnectError(f"no connection to {host}: {error}")
        raise refused

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    def _is_blocked(self, address: IPv4Address | IPv6Address) -> bool:
        plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
        return any(plain in network for network in self._blocked)


async def _resolved(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: no label of a name is that long
        raise httpx.ConnectError(f"{host} is not found: {error}") from error
    return [ip_address(address) for address in dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)]


def _to(address: IPv4Address | IPv6Address, request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
