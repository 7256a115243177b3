"""The client program: reads jobs, starts each in a thread, writes what comes back."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from typing import Any

from xds.testing.client.job import Emit, Job


def _run(job: Job, emit: Emit) -> None:
    """Each kind's libraries are imported when it is first asked for: a client must start in no time."""
    match job.what["kind"]:
        case "http":
            from xds.testing.client import http

            http.run(job, emit)
        case "grpc":
            from xds.testing.client import rpc

            rpc.run(job, emit)
        case "tcp":
            from xds.testing.client import tcp

            tcp.run(job, emit)
        case "websocket":
            from xds.testing.client import websocket

            websocket.run(job, emit)


def main() -> None:
    """Serve until the input ends."""
    writing = threading.Lock()
    stops: dict[int, threading.Event] = {}

    def write(line: dict[str, Any]) -> None:
        text = json.dumps(line) + "\n"
        with writing:
            sys.stdout.write(text)
            sys.stdout.flush()

    def work(number: int, job: Job) -> None:
        try:
            _run(job, lambda told: write({"id": number, **told}))
        except Exception:  # a bug of ours: to the test that asked
            write({"id": number, "failed": traceback.format_exc()})
        write({"id": number, "done": True})

    for line in sys.stdin:
        what = json.loads(line)
        if "stop" in what:
            stops[what["stop"]].set()
            continue
        stop = stops[what["id"]] = threading.Event()
        threading.Thread(target=work, args=(what["id"], Job(what, stop)), daemon=True).start()


if __name__ == "__main__":
    main()
