"""How a stream is refused: one event in the log, one gRPC status for the client."""

from __future__ import annotations

from typing import Any, Final

import grpc
import structlog

from xds.events import Event
from xds.server.errors import Denied, LimitExceeded, ProtocolError, Reason

log = structlog.get_logger()

Refusing = Denied | ProtocolError | LimitExceeded

_STATUS: Final = {
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


async def refuse(context: Any, error: Refusing) -> None:
    """End the call with the status that ``error`` stands for; raises, as gRPC's abort does."""
    status = _status(error)
    log_refusal(context.peer(), str(error), status)
    await context.abort(status, str(error))


def log_refusal(peer: str, reason: str, status: grpc.StatusCode) -> None:
    """Say who was refused and why; ``reason`` has nothing of a credential."""
    log.warning(Event.STREAM_REFUSED, peer=peer, reason=reason, status=status.name)


def _status(error: Refusing) -> grpc.StatusCode:
    if isinstance(error, Denied):
        return _STATUS[error.reason]
    return grpc.StatusCode.INVALID_ARGUMENT if isinstance(error, ProtocolError) else grpc.StatusCode.RESOURCE_EXHAUSTED
