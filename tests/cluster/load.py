"""Requests out of a pod of the mesh, for as long as a test wants them; every one is counted."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.cluster import Cluster

# Run in the pod by its python3, apart from who started it, so that it outlives a connection to the API server: asks
# until a file says stop, then leaves what became of the requests in another.
_PROGRAM: Final = """
import collections, http.client, json, os, sys, threading, time
name, host, path, workers, pause_s = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
if os.fork():
    sys.exit()
os.setsid()
for number in (0, 1, 2):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
seen, bad, stop = collections.Counter(), [], threading.Event()
began = time.time()
def ask():
    connection = None
    while not stop.is_set():
        try:
            connection = connection or http.client.HTTPConnection(host, timeout=20)
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            seen[json.loads(body).get("version", "") if response.status == 200 else str(response.status)] += 1
            if response.status != 200:
                bad.append([round(time.time() - began, 2), response.status, body[:200].decode(errors="replace")])
        except Exception as error:
            seen["failed"] += 1
            bad.append([round(time.time() - began, 2), 0, repr(error)[:200]])
            connection = None
        stop.wait(pause_s)
threads = [threading.Thread(target=ask) for _ in range(workers)]
for each in threads: each.start()
while not os.path.exists(f"/tmp/{name}.stop"): time.sleep(0.05)
stop.set()
for each in threads: each.join()
with open(f"/tmp/{name}.new", "w") as file:
    json.dump({"seen": seen, "bad": bad[:50], "bad_count": len(bad), "seconds": time.time() - began}, file)
os.rename(f"/tmp/{name}.new", f"/tmp/{name}.json")
"""
_END: Final = """
import os, sys, time
open(f"/tmp/{sys.argv[1]}.stop", "w").close()
until = time.time() + 40
while not os.path.exists(f"/tmp/{sys.argv[1]}.json") and time.time() < until: time.sleep(0.05)
print(open(f"/tmp/{sys.argv[1]}.json").read())
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all requests: answers by version (or status), and the first of those that failed."""

    seen: Counter[str]
    bad: list[Any]
    bad_count: int
    seconds: float

    @property
    def requests(self) -> int:
        """All of them."""
        return self.seen.total()


class Load:
    """Requests to ``http://host/`` from a pod: a context manager, whose ``outcome`` is there when it is left.

    Six ask at a time, each ``pause_s`` after its last answer.
    """

    def __init__(self, cluster: Cluster, pod: str, namespace: str, host: str, pause_s: float = 0.01) -> None:
        self._run = partial(cluster.exec, pod, namespace)
        self._name = uuid.uuid4().hex
        self._asked = [host, "/", "6", str(pause_s)]
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        assert self._outcome is not None, "the load still runs"
        return self._outcome

    def __enter__(self) -> Self:
        self._run(["python3", "-c", _PROGRAM, self._name, *self._asked])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = json.loads(self._run(["python3", "-c", _END, self._name]))
        self._outcome = Outcome(Counter(found["seen"]), found["bad"], found["bad_count"], found["seconds"])
