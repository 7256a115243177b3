"""``python -m bench.cli_start``: processor time of commands from start to end, beside a Python that runs nothing.

``proxy-status`` asks a page with 100 proxies over HTTP, so it is all but what a control plane does. Exit status 1 when
a bar is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from bench.figures import COMMANDS, PROXY_STATUS, VERSION, Figure, spelled

_REPEATS: Final = 7
_PROXIES: Final = 100
_PLAIT: Final = "from xds.cli import main; main()"
_TYPES: Final = ("cds", "lds", "eds", "rds", "ecds", "sds")


def main() -> int:
    """Measure, print, and say whether the bars hold."""
    measured = figures()
    for each in measured:
        line = f"{each.what:20} {spelled(each.value, 's'):>8}  bare Python {spelled(each.reference, 's')}"
        sys.stdout.write(f"{line}  {each.verdict}\n")
    return int(any(each.verdict == "missed" for each in measured))


def figures() -> list[Figure]:
    """The processor time of each command, user and system, of all its threads."""
    bare = _seconds("pass")
    with _pages() as address:
        asked = {
            "--help": ("--help",),
            VERSION: ("version", "--client"),
            "completion bash": ("completion", "bash"),
            PROXY_STATUS: ("proxy-status", "--http", address),
            "analyze": ("analyze", "--http", address),
        }
        return [Figure(COMMANDS, 0, what, "s", _seconds(_PLAIT, *words), bare) for what, words in asked.items()]


def _seconds(code: str, *words: str) -> tuple[float, ...]:
    return tuple(_once(code, words) for _ in range(_REPEATS))


def _once(code: str, words: tuple[str, ...]) -> float:
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        told = child.stderr.read() if child.stderr else b""
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {child.returncode}: {told.decode()}")
    return used.ru_utime + used.ru_stime


def _proxy(number: int) -> dict[str, object]:
    since = "2026-01-01T00:00:00+00:00"
    state = {"state": "SYNCED", "resources": 40, "version": "1", "since": since, "rejected": []}
    return {
        "proxy": f"sidecar~10.0.0.{number}~web-{number}.shop~shop.svc.cluster.local",
        "name": f"web-{number}",
        "namespace": "shop",
        "workload": "web",
        "cluster": "Kubernetes",
        "envoy": "1.40.0",
        "connected_since": since,
        "types": dict.fromkeys(_TYPES, state),
    }


class _Answers(BaseHTTPRequestHandler):
    """All pages that are asked for."""

    _pages: Final = {"/debug/syncz": [_proxy(number) for number in range(_PROXIES)]}

    def do_GET(self) -> None:
        """Answer with the page, else with an empty list."""
        body = json.dumps(self._pages.get(self.path, [])).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the figures are the output."""


@contextmanager
def _pages() -> Iterator[str]:
    """The address of a server of these pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
