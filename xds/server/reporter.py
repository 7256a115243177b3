"""Proxies that report: who does, as whoever admits it knows it, and what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.node import Node, Peer

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Reporter(Generic[T]):
    """The proxy whose reports a stream carries, as whoever admits it knows it.

    The stream ends after ``valid_s`` seconds, when its credentials do.
    """

    proxy: T
    valid_s: float | None = None


AdmitReporter = Callable[[Node, Peer], Awaitable[Reporter[T]]]
"""Called at a stream's first message: who reports, or ``Denied`` is raised."""


def report(kind: type[M], data: bytes, most_bytes: int, what: str) -> M:
    """The message in ``data``, ``what`` in errors. Errors: LimitExceeded beyond ``most_bytes``, ProtocolError."""
    if len(data) > most_bytes:
        raise LimitExceeded(f"{what} of {len(data)} bytes")
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"no {what.partition(' ')[2]}") from error
