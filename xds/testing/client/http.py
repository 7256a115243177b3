"""HTTP/1.1 and HTTP/2 (by prior knowledge) requests: so many, or so many a second until told to stop."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from xds.testing.client.job import Emit, Job

Exchange = Callable[[], dict[str, Any]]


def run(job: Job, emit: Emit) -> None:
    """Make the requests of ``count`` or ``rate``, over ``concurrency`` connections, and tell each answer."""
    what = job.what
    numbers = _paced(what["rate"], job.stop) if what.get("rate") else iter(range(what["count"]))
    taking = threading.Lock()
    connections = itertools.count()

    def work() -> None:
        exchange = _http2(what) if what["h2"] else _Http1(what, connections)
        while True:
            with taking:
                if next(numbers, None) is None:
                    return
            emit(_timed(exchange))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(what["concurrency"])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _paced(rate: float, stop: threading.Event) -> Iterator[int]:
    """Numbers, each when its time has come; who is late goes on at once."""
    start = time.monotonic()
    for number in itertools.count():
        if stop.wait(max(0.0, start + number / rate - time.monotonic())):
            return
        yield number


def _timed(exchange: Exchange) -> dict[str, Any]:
    start = time.monotonic()
    try:
        told = exchange()
    except Exception as error:  # whatever the library calls it: the client got no answer
        told = {"error": f"{type(error).__name__}: {error}"}
    return {**told, "elapsed_s": time.monotonic() - start}


class _Connection(http.client.HTTPConnection):
    """A connection that numbers itself each time it is opened."""

    def __init__(self, host: str, port: int, timeout_s: float, numbers: Iterator[int]) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._numbers = numbers
        self.number = -1

    def connect(self) -> None:
        super().connect()
        self.number = next(self._numbers)


class _Http1:
    """One worker's connection, which is kept open where both sides agree."""

    def __init__(self, what: dict[str, Any], numbers: Iterator[int]) -> None:
        url = urlsplit(what["url"])
        self._what = what
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._connection = _Connection(url.hostname or "", url.port or 80, what["timeout_s"], numbers)

    def __call__(self) -> dict[str, Any]:
        what, connection = self._what, self._connection
        try:
            connection.request(what["method"], self._target, what["data"].encode() or None, dict(what["headers"]))
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except BaseException:
            connection.close()
            raise
        if not what["keep_alive"]:
            connection.close()
        told = {"status": response.status, "headers": response.getheaders(), "body": body}
        return {**told, "connection": connection.number}


def _http2(what: dict[str, Any]) -> Exchange:
    import httpx

    client = httpx.Client(http1=False, http2=True, timeout=what["timeout_s"], trust_env=False)

    def exchange() -> dict[str, Any]:
        response = client.request(what["method"], what["url"], headers=what["headers"], content=what["data"])
        return {"status": response.status_code, "headers": response.headers.multi_items(), "body": response.text}

    return exchange
