"""HTTPS on a socket with a certificate that is replaced while it is served, and a key that is never in a file."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import structlog
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from xds.events import Event

log = structlog.get_logger()

Pair = tuple[bytes, bytes]
"""A private key and its certificate chain, PEM."""

_LOOK_S: Final = 2.0
# A large review takes seconds.
_GRACE_S: Final = 5.0
_HANDSHAKE_S: Final = 10.0
# The API server closes idle connections after 90 s. Were ours closed first, a call would now and then be sent on one
# that is being closed, and fail.
_IDLE_S: Final = 120.0
_CALLS_A_CONNECTION: Final = 1_000_000


async def serve(application: Any, listener: socket.socket, pair: Callable[[], Pair], stop: asyncio.Event) -> None:
    """Serve the ASGI application over TLS on ``listener``, which it takes over, until ``stop`` is set.

    ``pair`` is asked again and again: connections made after it says something else are met with that.
    Errors: what ``pair`` raises at first; later it is logged, and the certificate of before stays.
    """
    shown = _Shown(pair)
    config = _Https(shown.context)
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _GRACE_S
    config.ssl_handshake_timeout = _HANDSHAKE_S
    config.keep_alive_timeout = _IDLE_S
    config.read_timeout = int(_IDLE_S)
    config.keep_alive_max_requests = _CALLS_A_CONNECTION
    config.include_server_header = False
    config.errorlog = None
    config.accesslog = None
    following = asyncio.create_task(shown.follow(), name="webhook certificate")
    try:
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Let handshakes of ``context`` show this certificate from now on. Errors: ssl.SSLError when it is none."""
    key, chain = pair
    # OpenSSL takes it from files only; this one is in memory, and gone when it is closed.
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(key.rstrip() + b"\n" + chain)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


class _Shown:
    """The certificate that is shown."""

    def __init__(self, pair: Callable[[], Pair]) -> None:
        self._pair = pair
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        self.context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        self.context.set_alpn_protocols(["http/1.1"])  # which is all that API servers speak with webhooks
        self._loaded = pair()
        load(self.context, self._loaded)

    async def follow(self) -> None:
        """Show another when there is another, for ever."""
        trouble = ""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                current = self._pair()
                if current != self._loaded:
                    load(self.context, current)
                    self._loaded = current
                trouble = ""
            except Exception as error:  # the CA's own, and OpenSSL's
                if str(error) != trouble:
                    log.error(Event.WEBHOOK_CERTIFICATE_NOT_HAD, reason=str(error))
                trouble = str(error)


class _Https(Config):
    """Hypercorn's configuration with a context of ours: its own would read key and certificate from files, once."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    @property
    def ssl_enabled(self) -> bool:
        """Yes."""
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        """The context of ours."""
        return self._context
