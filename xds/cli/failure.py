"""What a command raises when it cannot do what was asked."""

from __future__ import annotations

from xds.failure import Failure, Unreachable

__all__ = ["Failure", "Unreachable", "in_short"]


def in_short(error: Exception) -> str:
    """Why an HTTP request of urllib3 failed, without the address and the retries that its own text tells first."""
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition("): ")[2].removeprefix("Failed to establish a new connection: ") or text
