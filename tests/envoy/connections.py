"""Connections from inside a pod that are no plain requests: TLS with an SNI of one's choice, TCP that stays open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from xds.local import state
from xds.local.commands import kill
from xds.testing.mesh import Mesh

# Reads a JSON object from its input. The server's certificate is not looked at: what counts is who answers.
_TLS = """
import json, socket, ssl, sys
asked = json.load(sys.stdin)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = []
for _ in range(asked["count"]):
    try:
        with socket.create_connection((asked["host"], asked["port"]), 5) as plain:
            with context.wrap_socket(plain, server_hostname=asked["sni"] or None) as secure:
                secure.sendall(f"GET / HTTP/1.1\\r\\nhost: {asked['sni']}\\r\\nconnection: close\\r\\n\\r\\n".encode())
                answer = b""
                while piece := secure.recv(65536):
                    answer += piece
        found.append(json.loads(answer.partition(b"\\r\\n\\r\\n")[2])["version"])
    except (OSError, ValueError):
        found.append("")
print(json.dumps(found))
"""
# Says "open" to its output when the greeting is there, and at the end of its input how many lines came back.
_TCP = """
import json, socket, sys, threading
asked = json.loads(sys.argv[1])
with socket.create_connection((asked["host"], asked["port"]), 5) as connection:
    lines = connection.makefile("rb")
    connection.sendall(b"tick\\n")  # where the protocol is detected, nobody speaks before the client
    greeting = json.loads(lines.readline())
    lines.readline()
    print(json.dumps(greeting), flush=True)
    count, ended = 0, threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.02):
        connection.sendall(b"tick\\n")
        if lines.readline() != b"tick\\n":
            break
        count += 1
    print(json.dumps({"count": count, "open": ended.is_set()}), flush=True)
"""


async def tls(mesh: Mesh, pod: str, host: str, port: int, sni: str, count: int = 1) -> list[str]:
    """The versions of the pods that answer so many TLS connections; ``""`` where none does."""
    asked = json.dumps({"host": host, "port": port, "sni": sni, "count": count})
    done = await mesh.local.exec(mesh.pod(pod), [sys.executable, "-c", _TLS], text=asked)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


class Open:
    """A TCP connection on which lines go to and fro; ``greeting`` is who answers."""

    def __init__(self, greeting: dict[str, Any]) -> None:
        self.greeting = greeting
        self.count = 0


@contextlib.asynccontextmanager
async def open_tcp(mesh: Mesh, pod: str, host: str, port: int) -> AsyncIterator[Open]:
    """A connection that is open while the block runs. Errors: AssertionError when it was not, to its end."""
    asked = json.dumps({"host": host, "port": port})
    key, pipe = mesh.pod(pod), asyncio.subprocess.PIPE
    running = next(entry for entry in state.running(state.state_folder()) if entry.name == mesh.name)
    entry = state.find_pod(running, key.namespace, key.name)
    command = entry.command((sys.executable, "-c", _TCP, asked))
    process = await asyncio.create_subprocess_exec(*command, env=dict(entry.env), stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        found = Open(json.loads(await asyncio.wait_for(process.stdout.readline(), 10)))
        yield found
        process.stdin.close()
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
        found.count = said["count"]
        assert said["open"], f"the connection ended after {found.count} lines"
    finally:
        if process.returncode is None:
            await kill(process)
