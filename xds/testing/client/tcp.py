"""Bytes over TCP: connections that are opened one after the other and held open together."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import Any

from xds.testing.client.job import Emit, Job


def run(job: Job, emit: Emit) -> None:
    """Open ``count`` connections, send ``lines`` over each and read one line more than was sent (echo's greeting)."""
    what = job.what
    with ExitStack() as open_until_the_end:
        for _ in range(what["count"]):
            start = time.monotonic()
            told = _exchange(what, open_until_the_end)
            emit({**told, "elapsed_s": time.monotonic() - start})


def _exchange(what: dict[str, Any], open_until_the_end: ExitStack) -> dict[str, Any]:
    lines: list[str] = []
    try:
        sock = socket.create_connection((what["host"], what["port"]), timeout=what["timeout_s"])
        stream = open_until_the_end.enter_context(sock).makefile("rwb")
        for line in what["lines"]:
            stream.write(line.encode() + b"\n")
        stream.flush()
        for _ in range(len(what["lines"]) + what["greetings"]):
            line = stream.readline()
            if not line:
                return {"messages": lines, "closed": True}
            lines.append(line.decode(errors="replace").rstrip("\n"))
    except OSError as error:
        closed = isinstance(error, ConnectionError)
        return {"messages": lines, "closed": closed, "error": f"{type(error).__name__}: {error}"}
    return {"messages": lines}
