"""What a command raises when it cannot do what was asked."""

from __future__ import annotations


class Failure(Exception):
    """One line for the user: what went wrong and what would help. ``plait`` prints it and exits with 2."""


class Unreachable(Failure):
    """Nobody answers there."""


def in_short(error: Exception) -> str:
    """Why an HTTP request of urllib3 failed, without the address and the retries that its own text tells first."""
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition("): ")[2].removeprefix("Failed to establish a new connection: ") or text
