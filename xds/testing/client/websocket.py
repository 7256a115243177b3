"""Messages over a websocket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, RejectConnection, Request, TextMessage

from xds.testing.client.job import Emit, Job


def run(job: Job, emit: Emit) -> None:
    """Open a websocket, send ``messages``, read one more than was sent (echo's greeting), close."""
    what, start = job.what, time.monotonic()
    url = urlsplit(what["url"])
    told: dict[str, Any] = {"messages": []}
    try:
        with socket.create_connection((url.hostname, url.port or 80), timeout=what["timeout_s"]) as sock:
            _talk(sock, what, told)
    except (OSError, wsproto.utilities.ProtocolError) as error:
        told["error"] = f"{type(error).__name__}: {error}"
    emit({**told, "elapsed_s": time.monotonic() - start})


def _talk(sock: socket.socket, what: dict[str, Any], told: dict[str, Any]) -> None:
    url = urlsplit(what["url"])
    side = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    extra = [(name.encode(), value.encode()) for name, value in what["headers"]]
    sock.sendall(side.send(Request(host=url.netloc, target=url.path or "/", extra_headers=extra)))
    parts: list[str] = []
    for event in _events(sock, side):
        match event:
            case AcceptConnection():
                told["metadata"] = [(name.decode(), value.decode()) for name, value in event.extra_headers]
                sock.sendall(b"".join(side.send(TextMessage(message)) for message in what["messages"]))
            case TextMessage():
                parts.append(event.data)
            case RejectConnection():
                told["error"] = f"refused with status {event.status_code}"
                return
            case CloseConnection():
                break
        if isinstance(event, TextMessage) and event.message_finished:
            told["messages"].append("".join(parts))
            parts.clear()
        if len(told["messages"]) > len(what["messages"]):
            sock.sendall(side.send(CloseConnection(code=1000)))
            return
    told["closed"] = True


def _events(sock: socket.socket, side: wsproto.WSConnection) -> Iterator[Event]:
    """What the other side says, until it ends the connection."""
    while piece := sock.recv(65536):
        side.receive_data(piece)
        yield from side.events()
