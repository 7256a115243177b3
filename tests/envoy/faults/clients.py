"""Clients of the catalogue's mesh: one real request each, and what its sender sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from tests.envoy.faults.fault import Client, Seen
from tests.envoy.faults.healthy import authorities
from xds.testing.answers import Answer
from xds.testing.mesh import Mesh

WEB: Final = "shop/web"
OUTSIDE: Final = "outside/browser"
HTTP_PORT: Final = 8080
HTTPS_PORT: Final = 8443
_PATIENCE_S: Final = 5.0

_TLS: Final = """
import json, socket, ssl, sys
asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked["authorities"])
try:
    with socket.create_connection((asked["host"], asked["port"]), 5) as plain:
        with context.wrap_socket(plain, server_hostname=asked["name"]) as secure:
            lines = ("GET / HTTP/1.1", f"host: {asked['name']}", "connection: close", "", "")
            secure.sendall("\\r\\n".join(lines).encode())
            print(secure.recv(65536).split()[1].decode(), "by TLS")
except OSError as error:
    print("0", error)
"""


def http(
    url: str = "http://api/", pod: str = WEB, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Client:
    """Asks a URL from a pod. Sees ``STATUS POD`` of who answered, ``STATUS`` of a proxy, or ``0 WHY``."""

    async def ask(mesh: Mesh) -> Seen:
        sent = {**(headers or {}), "x-request-id": str(uuid4())}
        answer = await mesh.get(pod, url, method=method, headers=sent, timeout_s=_PATIENCE_S, keep_alive=False)
        return Seen(_words(answer), answer.headers.get("x-request-id", sent["x-request-id"]))

    return ask


def stranger() -> Client:
    """Asks the address of a pod outside of the mesh, which nothing tells of."""

    async def ask(mesh: Mesh) -> Seen:
        return await http(f"http://{mesh.ip(OUTSIDE)}:{HTTP_PORT}/")(mesh)

    return ask


def edge(
    host: str = "site.test", path: str = "/", headers: Mapping[str, str] | None = None, port: int = HTTP_PORT
) -> Client:
    """Asks the gateway over plain HTTP, as somebody outside of the mesh."""

    async def ask(mesh: Mesh) -> Seen:
        url = f"http://{mesh.ip('ingress/edge')}:{port}{path}"
        return await http(url, OUTSIDE, headers={**(headers or {}), "host": host})(mesh)

    return ask


def edge_tls(host: str = "site.test") -> Client:
    """Asks the gateway over TLS, as a browser would that believes the authorities of ``healthy``."""

    async def ask(mesh: Mesh) -> Seen:
        asked = {"host": mesh.ip("ingress/edge"), "port": HTTPS_PORT, "name": host, "authorities": authorities()}
        done = await mesh.local.exec(mesh.pod(OUTSIDE), [sys.executable, "-c", _TLS], text=json.dumps(asked))
        return Seen(done.stdout.strip() or done.stderr.strip())

    return ask


def tcp(host: str = "db", port: int = 9000, pod: str = WEB) -> Client:
    """Opens a connection and says one line. Sees ``200 POD`` of who answered, or ``0 WHY``."""

    async def ask(mesh: Mesh) -> Seen:
        (reply,) = await mesh.tcp(pod, host, port, ["hello"], greetings=0)
        return Seen(f"200 {reply.echo['pod']}" if reply.messages else f"0 {reply.error or 'closed'}")

    return ask


def grpc(target: str = "pay:7070", pod: str = WEB) -> Client:
    """Makes one call. Sees ``200 POD`` of who answered, or the gRPC status by name."""

    async def ask(mesh: Mesh) -> Seen:
        (reply,) = await mesh.grpc(pod, target, data="hello")
        return Seen(f"200 {reply.echo['pod']}" if reply.code == "OK" else f"{reply.code} {reply.details}")

    return ask


def _words(answer: Answer) -> str:
    if not answer.status:
        return f"0 {answer.error}"
    pod = answer.echo["pod"] if answer.body.startswith("{") else ""
    return f"{answer.status} {pod}".rstrip()
