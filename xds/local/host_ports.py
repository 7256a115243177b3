"""Services of type LoadBalancer on ports of this machine: a connection there is relayed to one of their pods.

The host has no route to the pods: the other side of each connection is made in the node's network namespace, so who
answers sees the node's address.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xds.local.netns import open_connection
from xds.local.relay import relay
from xds.local.services import LocalService

HOST: Final = "127.0.0.1"


class HostPort(NamedTuple):
    """A port of a Service of type LoadBalancer."""

    namespace: str
    service: str
    port: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(slots=True)
class _Open:
    """A port that is listened to, and the pods behind it, which are taken in turn."""

    server: asyncio.Server
    backends: tuple[tuple[str, int], ...] = ()
    turns: itertools.count[int] = field(default_factory=itertools.count)

    def next(self) -> tuple[str, int] | None:
        """The address and port that the next connection goes to."""
        return self.backends[next(self.turns) % len(self.backends)] if self.backends else None


class HostPorts:
    """The ports of this machine that lead into the mesh. ``opened`` is told of each port and its address."""

    def __init__(self, opened: Callable[[HostPort, str], None]) -> None:
        self._opened = opened
        self._open: dict[HostPort, _Open] = {}
        self._wanted: dict[HostPort, tuple[tuple[str, int], ...]] = {}
        self._changed = asyncio.Event()
        self._relays: set[asyncio.Task[None]] = set()

    def set(self, services: Iterable[LocalService]) -> None:
        """Want the ports of these services, as far as they are of type LoadBalancer, and no others."""
        self._wanted = {
            HostPort(each.namespace, each.name, port.port): port.backends
            for each in services
            if each.load_balancer
            for port in each.ports
            if port.protocol == "TCP"
        }
        for wanted, known in self._open.items():
            known.backends = self._wanted.get(wanted, ())
        self._changed.set()

    @property
    def addresses(self) -> Mapping[HostPort, str]:
        """Where each port is reached: ``127.0.0.1:80``, or another number where that was taken."""
        return {wanted: _address(known.server) for wanted, known in sorted(self._open.items())}

    async def keep(self, namespace: int) -> None:
        """Open and close ports as they are wanted, for ever; ``namespace`` is where the pods are reached."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for wanted in self._open.keys() - self._wanted.keys():
                    self._open.pop(wanted).server.close()
                for wanted in sorted(self._wanted.keys() - self._open.keys()):
                    await self._listen(wanted, namespace)
        finally:
            for known in self._open.values():
                known.server.close()
            for relay in self._relays:
                relay.cancel()

    async def _listen(self, wanted: HostPort, namespace: int) -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._relays.add(task)
                task.add_done_callback(self._relays.discard)
            await _relay(self._open.get(wanted), namespace, reader, writer)

        try:
            server = await asyncio.start_server(accepted, HOST, wanted.port)
        except OSError:  # taken, or not ours to take
            server = await asyncio.start_server(accepted, HOST, 0)
        self._open[wanted] = _Open(server, self._wanted.get(wanted, ()))
        self._opened(wanted, _address(server))


def _address(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"{host}:{port}"


async def _relay(to: _Open | None, namespace: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    where = to.next() if to is not None else None
    if where is None:
        writer.transport.abort()  # a reset, as of a port that nobody listens on
        return
    try:
        there = await open_connection(namespace, *where)
    except OSError:
        writer.transport.abort()
        return
    await relay((reader, writer), there)
