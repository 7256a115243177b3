"""Who asks from this machine."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import Request


def is_near(request: Request) -> bool:
    """Whether the request has come over loopback or a socket in the file system: nobody on the network has sent it."""
    host = request.client.host if request.client is not None else ""
    try:
        return not host or ip_address(host).is_loopback
    except ValueError:
        return True  # a unix socket
