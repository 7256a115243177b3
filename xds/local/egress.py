"""The way out of a local mesh: TCP to addresses outside it is relayed by this process, over the host's own network.

So pods reach the world without a link, a route or a rule on the host. Only TCP; who answers sees the host's address.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from xds.local.netns import listening_socket
from xds.local.relay import relay

_SO_ORIGINAL_DST: Final = 80
_SOL_IPV6: Final = 41
_CONNECT_S: Final = 10.0


class Egress:
    """A running relay; ``port`` is where the node's rules must send connections."""

    def __init__(self, server: asyncio.Server, port: int) -> None:
        self._server = server
        self.port = port

    @classmethod
    async def start(cls, namespace: int, address: str) -> Egress:
        """A relay that listens on the address, at a free port, in that network namespace."""
        sock = listening_socket(namespace, address, 0, socket.SOCK_STREAM)
        server = await asyncio.start_server(_relay, sock=sock)
        return cls(server, sock.getsockname()[1])

    def close(self) -> None:
        """Stop listening; connections under way live on until a side closes them."""
        self._server.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        host, port = _original_destination(writer.get_extra_info("socket"))
        async with asyncio.timeout(_CONNECT_S):
            there = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        writer.transport.abort()  # a reset: the nearest to what a refused connection looks like
        return
    await relay((reader, writer), there)


def _original_destination(sock: socket.socket) -> tuple[str, int]:
    """Where a redirected connection wanted to go: address and port."""
    if sock.family == socket.AF_INET6:
        raw = sock.getsockopt(_SOL_IPV6, _SO_ORIGINAL_DST, 28)
        port, address = struct.unpack_from("!2xH4x16s", raw)
        return socket.inet_ntop(socket.AF_INET6, address), port
    raw = sock.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    port, address = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(address), port
