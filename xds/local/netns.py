"""Sockets that live in another network namespace, used from this process and its event loop.

A socket stays in the namespace it was made in, so only its making needs the other namespace. That happens in a thread
of its own, which enters the namespace and ends: the namespace of a thread is its own affair, the loop's never changes.
"""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import os
import socket
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
_CLONE_NEWNET: Final = 0x40000000


def within(namespace: int, work: Callable[[], T]) -> T:
    """What ``work`` returns when run inside the network namespace; it must not block, the caller waits for it.

    Units:   ``namespace`` is an open descriptor of ``/proc/PID/ns/net``, or -1 for our own.
    Errors:  OSError of entering (not root, for example), and whatever ``work`` raises.
    """
    if namespace < 0:
        return work()
    results: list[T] = []
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace, _CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"cannot enter the network namespace: {os.strerror(number)}")
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter, name="netns")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def listening_socket(namespace: int, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket bound to address and port in the namespace, and listening when ``kind`` is a stream."""

    def make() -> socket.socket:
        sock = _socket_for(address, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind is socket.SOCK_STREAM:
            sock.listen(128)
        sock.setblocking(False)
        return sock

    return within(namespace, make)


def _socket_for(address: str, kind: socket.SocketKind) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)


async def open_connection(namespace: int, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The streams of a TCP connection made from within the namespace. OSError when it is refused."""
    sock = within(namespace, lambda: _socket_for(address, socket.SOCK_STREAM))
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


class _Connection(http.client.HTTPConnection):
    """An HTTP connection that starts inside a network namespace."""

    def __init__(self, namespace: int, address: str, port: int, timeout_s: float) -> None:
        super().__init__(address, port, timeout=timeout_s)
        self._namespace = namespace

    def connect(self) -> None:
        sock = within(self._namespace, lambda: _socket_for(self.host, socket.SOCK_STREAM))
        sock.settimeout(self.timeout)
        self.sock = sock
        sock.connect((self.host, self.port))


def http_request(
    namespace: int, method: str, address: str, port: int, path: str, *, timeout_s: float = 5.0
) -> tuple[int, bytes]:
    """Status and body of one request made from within the namespace. Blocks; OSError when there is no answer."""
    connection = _Connection(namespace, address, port, timeout_s)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer from {address}:{port}: {error!r}") from error
    finally:
        connection.close()
