"""A Prometheus that tells what it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs


@contextmanager
def prometheus(told: Mapping[str, Sequence[Any]], status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """The URL of one that tells ``told``, by the first name in a query; and what it is asked, with credentials."""
    queries: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.headers.get("authorization"):
                queries.append(self.headers["authorization"])
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            query = parse_qs(body)["query"][0]
            queries.append(query)
            name = query.partition("(envoy_)?")[2].partition('"')[0].strip("()")
            good = {"status": "success", "data": {"resultType": "", "result": list(told.get(name, ()))}}
            answer: Any = good if status == 200 else {"status": "error", "error": "too much"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", queries
        server.shutdown()
