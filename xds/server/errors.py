"""Why a stream is refused or ended; each becomes a gRPC status."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """The gRPC status a stream is refused with."""

    UNAUTHENTICATED = "who it is was not proven"
    PERMISSION_DENIED = "who it is was proven, and may not have this"
    UNAVAILABLE = "not now: it should come again"


class Denied(Exception):
    """Raised by ``admit``: this node is not to be served; its reason goes to the client and to the log."""

    def __init__(self, message: str, reason: Reason = Reason.PERMISSION_DENIED) -> None:
        super().__init__(message)
        self.reason = reason


class ProtocolError(Exception):
    """The client does not speak xDS as it should; the stream ends with INVALID_ARGUMENT."""


class LimitExceeded(Exception):
    """The client asks for more than the settings allow; the stream ends with RESOURCE_EXHAUSTED."""
