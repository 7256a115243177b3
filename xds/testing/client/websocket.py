"""Messages over a websocket."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import wsproto
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request, TextMessage

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
    wanted, parts = len(what["messages"]) + 1, list[str]()
    while len(told["messages"]) < wanted:
        piece = sock.recv(65536)
        side.receive_data(piece or None)
        for event in side.events():
            if isinstance(event, AcceptConnection):
                told["metadata"] = [(n.decode(), v.decode()) for n, v in event.extra_headers]
                for message in what["messages"]:
                    sock.sendall(side.send(TextMessage(message)))
            elif isinstance(event, TextMessage):
                parts.append(event.data)
                if event.message_finished:
                    told["messages"].append("".join(parts))
                    parts.clear()
            elif isinstance(event, RejectConnection):
                told["error"] = f"refused with status {event.status_code}"
                return
            elif isinstance(event, CloseConnection):
                told["closed"] = True
                return
        if not piece:
            told["closed"] = True
            return
    sock.sendall(side.send(CloseConnection(code=1000)))
