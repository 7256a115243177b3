"""The demo's traffic, run inside the client pod: one JSON line a request. Ordinary HTTP; the sidecar does the rest."""

from __future__ import annotations

import http.client
import json
import sys
import time


def ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> dict[str, object]:
    """The answer to one request: status, and the version that answered."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    version = json.loads(body).get("version", "") if response.status == http.client.OK else ""
    return {"status": response.status, "version": version, "cookie": response.headers.get("set-cookie", "")}


def main(service: str, count: int, pause_s: float, path: str, header: str) -> None:
    """Ask ``service`` so many times over one connection."""
    connection = http.client.HTTPConnection(service)
    name, _, value = header.partition(":")
    for number in range(count):
        answer = ask(connection, path.replace("{n}", f"{time.time_ns()}-{number}"), {name: value} if name else {})
        print(json.dumps(answer), flush=True)
        time.sleep(pause_s)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else "")
