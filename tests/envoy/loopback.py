"""A real Envoy on loopback, fed by a control plane of the test, and an HTTP backend for it to reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

LIMIT_S = 20.0


async def until(condition: Callable[[], Awaitable[Any]], what: str, *, limit_s: float = LIMIT_S) -> Any:
    """The first true value of ``condition``, asked again and again; AssertionError at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        with contextlib.suppress(httpx.TransportError, OSError):
            found = await condition()
            if found:
                return found
        assert loop.time() < deadline, f"not within {limit_s} s: {what}"
        await asyncio.sleep(0.02)


def bootstrap(port: int, *, node_id: str = "test", delta: bool = True, fetch_timeout_s: int = 15) -> dict[str, Any]:
    """An Envoy that takes everything from ADS on 127.0.0.1 at ``port``; its admin port is the kernel's choice."""
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": f"{fetch_timeout_s}s"}
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "node": {"id": node_id, "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC" if delta else "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": http2,
                    "load_assignment": {
                        "cluster_name": "xds",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ]
        },
    }


@dataclass
class LoopbackEnvoy:
    """A running Envoy: its admin interface, its listeners, and requests through them."""

    process: asyncio.subprocess.Process
    folder: Path
    admin: str = ""
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=5.0, trust_env=False))

    async def ask(self, path: str) -> str:
        """The admin interface's answer."""
        return (await self.client.get(f"http://{self.admin}{path}")).text

    async def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the regular expression."""
        found = json.loads(await self.ask(f"/stats?format=json&filter={pattern}"))
        return {each["name"]: each["value"] for each in found["stats"] if "value" in each}

    async def live(self) -> None:
        """Return when Envoy is LIVE."""
        await until(self._is_live, "LIVE")

    async def _is_live(self) -> bool:
        return (await self.ask("/ready")).strip() == "LIVE"

    async def port(self, listener: str) -> int:
        """The port on which a listener accepts connections, when it does."""

        async def bound() -> int:
            found = json.loads(await self.ask("/listeners?format=json")).get("listener_statuses", [])
            ports = [e["local_address"]["socket_address"]["port_value"] for e in found if e["name"] == listener]
            return int(ports[0]) if ports else 0

        return int(await until(bound, f"a listener {listener}"))

    async def get(self, listener: str, host: str, path: str = "/") -> tuple[int, str]:
        """Status and body of a request for ``host`` through a listener."""
        found = await self.client.get(f"http://127.0.0.1:{await self.port(listener)}{path}", headers={"host": host})
        return found.status_code, found.text

    async def rejections(self) -> int:
        """How many updates Envoy has refused since it started."""
        return sum((await self.stats(r"update_rejected$")).values())

    async def wait_for(self, listener: str, host: str, wanted: tuple[int, str]) -> None:
        """Return when a request for ``host`` is answered as ``wanted``."""

        async def answered() -> bool:
            return await self.get(listener, host) == wanted

        await until(answered, f"{host} answers {wanted}")

    async def stop(self) -> None:
        """End the process and wait for it."""
        await self.client.aclose()
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()

    def output(self) -> str:
        """What Envoy has logged."""
        return _read(self.folder / "envoy.log")


async def launch(binary: Path, folder: Path, config: dict[str, Any], *flags: str) -> LoopbackEnvoy:
    """Start an Envoy with that bootstrap; returns when its admin interface answers."""
    path, address = _written(folder, config)
    command = [str(binary), "--config-path", str(path), "--admin-address-path", str(address), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "1"]
    command += ["--log-path", str(folder / "envoy.log"), *flags]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    envoy = LoopbackEnvoy(process, folder)

    async def answers() -> bool:
        assert process.returncode is None, envoy.output()
        envoy.admin = _read(address)
        return bool(envoy.admin) and bool(await envoy.ask("/server_info"))

    try:
        await until(answers, "an admin interface")
    except BaseException:
        await envoy.stop()
        raise
    return envoy


def _written(folder: Path, config: dict[str, Any]) -> tuple[Path, Path]:
    """The file of the bootstrap, and the file that Envoy is to write its admin address to."""
    folder.mkdir(parents=True, exist_ok=True)
    path, address = folder / "envoy.json", folder / "admin"
    path.write_text(json.dumps(config))
    return path, address


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def backend(answer: str) -> contextlib.AbstractAsyncContextManager[int]:
    """An HTTP server that answers everything with ``answer``; the port it is on."""
    return http_server(lambda _: f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\n\r\n{answer}")


@contextlib.asynccontextmanager
async def http_server(answered: Callable[[str], str]) -> AsyncIterator[int]:
    """A server that answers a request with the response that ``answered`` makes of its head; the port it is on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                writer.write(answered(head).encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
