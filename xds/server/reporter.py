"""Proxies that report: who does, as whoever admits it knows it, and what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from xds.server.auth import peer
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.node import Node, Peer, node
from xds.server.open_streams import OpenStreams, while_valid

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Reporter(Generic[T]):
    """The proxy whose reports a stream carries, as whoever admits it knows it.

    The stream ends after ``valid_s`` seconds, when its credentials do. ``caller`` is whose streams are counted
    together, as it has proven or by its address; nobody counts those of ``""``.
    """

    proxy: T
    valid_s: float | None = None
    caller: str = ""


AdmitReporter = Callable[[Node, Peer], Awaitable[Reporter[T]]]
"""Called at a stream's first message: who reports, or ``Denied`` is raised."""


def sender(told: Any) -> Node:
    """Who sends a stream: the ``node`` of what its first message tells. Errors: ProtocolError."""
    if not told.HasField("node"):
        raise ProtocolError("the first message names no node")
    return node(told.node)


@asynccontextmanager
async def reporting(
    context: Any, who: Node, admit: AdmitReporter[T], streams: OpenStreams, *, delta: bool
) -> AsyncIterator[Reporter[T]]:
    """The block, with the reporter that a stream is of, until it is believed no more.

    Errors: Denied, LimitExceeded where it has too many streams.
    """
    reporter = await admit(who, peer(context, delta=delta, type_url=""))
    with streams.one_of(reporter.caller):
        async with while_valid(reporter.valid_s, who.id):
            yield reporter


def report(kind: type[M], data: bytes, most_bytes: int, what: str) -> M:
    """The message in ``data``, ``what`` in errors. Errors: LimitExceeded beyond ``most_bytes``, ProtocolError."""
    if len(data) > most_bytes:
        raise LimitExceeded(f"{what} of {len(data)} bytes")
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"no {what.partition(' ')[2]}") from error
