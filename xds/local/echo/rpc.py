"""The gRPC side of the echo server: any method of any service gives its messages back.

``/plait.Echo/Echo`` answers with JSON text as the message instead: the same facts as over HTTP. Request metadata shapes
the answer: ``x-echo-status`` (a gRPC code by number), ``x-echo-delay`` (``200ms``), ``x-echo-fail-first`` with
``x-request-key``. Every answer has ``x-pod``, ``x-namespace`` and ``x-version`` in its initial metadata.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote

import grpc

from xds.local.echo.identity import Identity, plain
from xds.local.echo.shape import Failures, Shape, shape

ECHO: Final = "/plait.Echo/Echo"
HEALTH: Final = "/grpc.health.v1.Health/Check"
_SERVING: Final = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
_PREFIX: Final = "x-echo-"
_UNAVAILABLE: Final = 14

_Context = grpc.aio.ServicerContext[bytes, bytes]


class AnyMethod(grpc.GenericRpcHandler):
    """Handlers for whatever method is called, unary or streaming: on the wire they are alike."""

    def __init__(self, identity: Identity, failures: Failures) -> None:
        self._identity = identity
        self._failures = failures

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of one call."""
        method = str(handler_call_details.method)

        async def serve(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
            async for answer in self._serve(method, requests, context):
                yield answer

        return grpc.stream_stream_rpc_method_handler(serve)

    async def _serve(self, method: str, requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        if method == HEALTH:
            yield _SERVING
            return
        metadata = {str(name): _text(value) for name, value in context.invocation_metadata() or ()}
        attempt = await self._misbehave(method, metadata, context)
        mine = self._identity
        names = (("x-pod", mine.pod), ("x-namespace", mine.namespace), ("x-version", mine.version))
        await context.send_initial_metadata(names)
        async for message in requests:
            if method == ECHO:
                facts = self._facts(method, metadata, context) | {"body_bytes": len(message), "attempt": attempt}
                yield json.dumps(facts).encode()
            else:
                yield message

    async def _misbehave(self, method: str, metadata: dict[str, str], context: _Context) -> int:
        """Wait or fail as the metadata asks; returns how many calls with this key there were."""
        asked = {n.removeprefix(_PREFIX).replace("-", "_"): v for n, v in metadata.items() if n.startswith(_PREFIX)}
        try:
            how: Shape = shape({"status": "0", "fail_status": str(_UNAVAILABLE), **asked})
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        await asyncio.sleep(how.delay.total_seconds())
        attempt, failing = self._failures.next(metadata.get("x-request-key", method), how.fail_first)
        code = how.fail_status if failing else how.status
        if code:
            await context.abort(_code(code), f"asked for by {_PREFIX}status")
        return attempt

    def _facts(self, method: str, metadata: dict[str, str], context: _Context) -> dict[str, Any]:
        kind, _, peer = context.peer().partition(":")
        host, _, port = peer.rpartition(":")
        return {
            **self._identity.facts(),
            "protocol": "gRPC",
            "method": "POST",
            "path": method,
            "headers": metadata,
            "peer": plain(unquote(host).strip("[]")) or kind,
            "peer_port": int(port) if port.isdecimal() else 0,
        }


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _code(number: int) -> grpc.StatusCode:
    found = [code for code in grpc.StatusCode if code.value[0] == number]
    return found[0] if found else grpc.StatusCode.UNKNOWN


async def serve(address: str, identity: Identity, failures: Failures) -> tuple[grpc.aio.Server, int]:
    """A running plaintext server on ``host:port`` and its port. RuntimeError when the port is taken."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((AnyMethod(identity, failures),))
    port = server.add_insecure_port(address)
    await server.start()
    return server, port
