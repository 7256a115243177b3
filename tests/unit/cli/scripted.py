"""A server that answers each page with one document after the other, the last one for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@contextmanager
def scripted(pages: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """Its address. A page is a path with its query, a path, or ``*`` for all others, in this order; None is a 404."""
    left = {path: list(documents) for path, documents in pages.items()}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents = left.get(self.path) or left.get(urlsplit(self.path).path) or left.get("*") or [None]
            document = documents[0] if len(documents) == 1 else documents.pop(0)
            self.send_response(404 if document is None else 200)
            self.end_headers()
            body = document if isinstance(document, str) else json.dumps(document)
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
