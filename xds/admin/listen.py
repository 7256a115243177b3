"""The admin pages on a socket, inside the event loop of the control plane."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

_BACKLOG: Final = 100
_GRACE_S: Final = 1.0


class AddressError(ValueError):
    """A text that is no address to listen on."""


def listen(address: str) -> socket.socket:
    """A listening socket at ``host:port`` (port 0: the kernel chooses) or ``unix:/path``.

    Errors: AddressError; OSError, naming the address, when it cannot be had.
    """
    try:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            if path.is_socket():  # left over; anything else there is not ours to remove
                path.unlink()
            found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            found.bind(str(path))
            found.listen(_BACKLOG)
            return found
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise AddressError(f"{address!r} is no address: must be host:port or unix:/path")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        number = error.errno or 0
        # Of a name that cannot be looked up the number is none of the system's.
        reason = os.strerror(number) if number >= 0 else str(error.strerror).partition(" (while")[0]
        raise OSError(f"cannot listen on {address}: {reason}") from None


async def serve(application: Any, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve the ASGI application on ``listener``, which it takes over, until ``stop`` is set."""
    path = listener.getsockname() if listener.family == socket.AF_UNIX else ""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _GRACE_S
    config.errorlog = None
    config.accesslog = None
    try:
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)
    finally:
        if path:
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)
