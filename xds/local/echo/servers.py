"""The listening side of the echo server: which ports speak what, and their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any, Final

from xds.local.echo.app import RESET, EchoApp, Receive, Scope, Send
from xds.local.echo.identity import Identity
from xds.local.echo.tcp import serve_lines

if TYPE_CHECKING:
    from hypercorn.asyncio.worker_context import WorkerContext
    from hypercorn.config import Config

_LAST_S: Final = 0.1
_GRACE_S: Final = 2.0
# Longer than any proxy keeps an idle connection: the side that sends requests is the one to close it.
_IDLE_S: Final = 3600.0


def tls_context(certificate: str, key: str, authorities: str = "") -> ssl.SSLContext:
    """TLS with that certificate, for HTTP/2 and HTTP/1.1; with ``authorities`` clients must have one of theirs.

    OSError or ssl.SSLError when the files are no good.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if authorities:
        context.load_verify_locations(authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on every address of both families, where the machine has both."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server((host, port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


class Servers:
    """The TCP listeners of one echo server."""

    def __init__(self, identity: Identity, app: EchoApp) -> None:
        self._identity = identity
        self._app = app
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._context: WorkerContext | None = None
        self._config: Config | None = None

    async def http(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Serve HTTP/1.1, HTTP/2 (by prior knowledge or ALPN) and websockets; returns the port (0 takes a free one)."""
        if self._config is None:
            from hypercorn.asyncio.worker_context import WorkerContext
            from hypercorn.config import Config

            self._context, self._config = WorkerContext(None), Config()
            self._config.include_server_header = False
            self._config.keep_alive_timeout = _IDLE_S
            self._config.h2_max_concurrent_streams = 1000
            # It would end an HTTP/2 connection after 1000 requests, and cut those that are under way.
            self._config.keep_alive_max_requests = sys.maxsize
        return await self._listen(self._serve_http, host, port, tls)

    async def tcp(self, host: str, port: int) -> int:
        """Serve lines over TCP; returns the port."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve_lines(self._identity, reader, writer)

        return await self._listen(serve, host, port, None)

    async def _listen(self, serve: Any, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await serve(reader, writer)
            finally:
                self._connections.discard(task)

        server = await asyncio.start_server(connected, sock=_listening(host, port), ssl=tls)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.tcp_server import TCPServer

        assert self._config is not None
        assert self._context is not None
        # Small answers in pieces must not wait for each other's acknowledgement.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[RESET] = writer.transport.abort
            await self._app(scope, receive, send)

        loop = asyncio.get_running_loop()
        wrapped = ASGIWrapper(app)  # type: ignore[arg-type]
        await TCPServer(wrapped, loop, self._config, self._context, {}, reader, writer)

    async def close(self) -> None:
        """Accept no more, let requests under way end for a moment, then close every connection."""
        for server in self._servers:
            server.close()
        if self._connections:
            # What is on its way still comes, and hypercorn cuts answers that it is in the middle of when it is ended.
            await asyncio.sleep(_LAST_S)
        if self._context is not None:
            await self._context.terminated.set()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_GRACE_S)
        for task in list(self._connections):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._connections, return_exceptions=True)
