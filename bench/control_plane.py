"""The servers that are measured, each a process of its own: `plait serve`, a secured one, and the bare broadcast."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from bench.broadcast import pack
from bench.fleet import BenchmarkFailed, Json
from bench.mesh import Pod
from bench.process import Usage, usage

_START_PATIENCE_S: Final = 120.0
_PLAIT: Final = Path(sys.executable).with_name("plait")
_REQUEST: Final = b"GET /readyz HTTP/1.1\r\nHost: plait\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``started_s`` is how long it took until it was ready."""

    pid: int
    target: str
    process: asyncio.subprocess.Process
    started_s: float = 0.0

    def usage(self) -> Usage:
        """Processor time and memory up to now."""
        return usage(self.pid)


@asynccontextmanager
async def plait(manifests: Path, log: Path) -> AsyncIterator[Server]:
    """The control plane over ``manifests``, once it is ready; its log goes to ``log``."""
    xds, http = free_port(), free_port()
    listen = ("--xds", "", "--xds-plaintext", f"127.0.0.1:{xds}", "--http", f"127.0.0.1:{http}")
    with log.open("wb") as output:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            _PLAIT, "serve", "--manifests", manifests, *listen, stdout=output, stderr=output
        )
        try:
            await _ready(process, (http, xds), log)
            yield Server(process.pid, f"127.0.0.1:{xds}", process, time.monotonic() - began)
        finally:
            await _end(process)


@asynccontextmanager
async def secured(manifests: Path, log: Path, lifetime: timedelta = timedelta(hours=24)) -> AsyncIterator[Server]:
    """A control plane with a CA, on a unix socket, once it is ready; its sidecars need ``tokens``."""
    socket_path, http = log.with_suffix(".sock"), free_port()
    arguments = (manifests, socket_path, str(http), str(lifetime.total_seconds()))
    pipe = asyncio.subprocess.PIPE
    with log.open("wb") as output:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.secured"), *arguments, stdin=pipe, stdout=pipe, stderr=output, limit=1 << 24
        )
        try:
            await _ready(process, (http, http), log)
            while not socket_path.exists():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
            yield Server(process.pid, f"unix:{socket_path}", process, time.monotonic() - began)
        finally:
            await _end(process)


async def ask(server: Server, order: str, **what: object) -> Json:
    """What a secured control plane answers (bench/secured.py says what it understands)."""
    assert server.process.stdin is not None and server.process.stdout is not None  # noqa: PT018 - both are pipes
    server.process.stdin.write(json.dumps({"do": order, **what}).encode() + b"\n")
    await server.process.stdin.drain()
    line = await server.process.stdout.readline()
    if not line:
        raise BenchmarkFailed(f"the control plane ended when it was asked for {order}")
    answer: Json = json.loads(line)
    return answer


async def proven(server: Server, pods: list[Pod]) -> list[Pod]:
    """The pods with a token each of a secured control plane's."""
    listed = [(pod.namespace, pod.account, pod.name) for pod in pods]
    tokens = (await ask(server, "tokens", pods=listed))["tokens"]
    return [replace(pod, token=token) for pod, token in zip(pods, tokens, strict=True)]


@asynccontextmanager
async def broadcast(start: list[bytes], folder: Path, *, unix: bool = False) -> AsyncIterator[Server]:
    """The bare broadcast, whose streams begin with ``start``, on a port of 127.0.0.1 or a unix socket."""
    path = folder / "start.messages"
    pack(start, path)
    pipe = asyncio.subprocess.PIPE
    address = f"unix:{folder / 'broadcast.sock'}" if unix else "127.0.0.1:0"
    arguments = (sys.executable, "-m", "bench.broadcast", path, address)
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield Server(process.pid, address if unix else f"127.0.0.1:{port}", process)
    finally:
        await _end(process)


async def send(server: Server, messages: Path) -> None:
    """Let the bare broadcast send the messages in a file to all its streams."""
    assert server.process.stdin is not None
    server.process.stdin.write(f"{messages}\n".encode())
    await server.process.stdin.drain()


def free_port() -> int:
    """A port of 127.0.0.1 that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _ready(process: asyncio.subprocess.Process, ports: tuple[int, int], log: Path) -> None:
    http, xds = ports
    deadline = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < deadline:
        if process.returncode is not None:
            raise BenchmarkFailed(f"plait serve ended with status {process.returncode}:\n{_end_of(log)}")
        if await _get(http, _REQUEST) and await _get(xds):
            return
        await asyncio.sleep(0.05)  # there is nothing to wait on but the port
    raise BenchmarkFailed(f"plait serve was not ready in {_START_PATIENCE_S:.0f} s; its log: {log}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _get(port: int, request: bytes = b"") -> bool:
    """Whether ``port`` takes connections and, where there is a request, answers it with 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(request)
        return not request or b" 200" in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.communicate(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


def rejections(log: Path) -> list[str]:
    """The lines of a control plane's log that tell of a NACK."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if "reject" in line or "nack" in line.lower():
            found.append(line if len(line) < 500 else json.dumps(line[:500]))
    return found
