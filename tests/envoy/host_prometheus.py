"""A real Prometheus on this machine, beside a mesh whose control plane and sidecars it asks."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from xds.admin.listen import listen, serve
from xds.testing.mesh import Mesh
from xds.up import HTTP_SOCKET

PROMETHEUS: Final = shutil.which("prometheus")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
_OF_SIDECARS: Final = "/stats/prometheus?usedonly&filter=%5E%5B%5E_%5D"  # as port 15090
_LISTENS: Final = re.compile(r"Listening on.* address=([0-9.]+:[0-9]+)")
_START_S: Final = 60.0


def documented() -> list[dict[str, Any]]:
    """The relabel rules of docs/telemetry.md."""
    blocks = re.findall(r"```yaml\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    (rules,) = (yaml.safe_load(block) for block in blocks if block.startswith("metric_relabel_configs"))
    found: list[dict[str, Any]] = rules["metric_relabel_configs"]
    return found


class Prometheus:
    """What is asked of a running one."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query's answer. AssertionError, with Prometheus' words, for an error."""
        data = await self._asked("query", query=expression)
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    async def label_values(self, metric: str, label: str) -> list[str]:
        """As Grafana asks for ``label_values(metric, label)``."""
        found: list[str] = await self._asked(f"label/{label}/values", **{"match[]": metric})
        return found

    async def _asked(self, path: str, **parameters: str) -> Any:
        answer = await self._client.get(f"/api/v1/{path}", params=parameters)
        said = answer.json()
        assert said["status"] == "success", (parameters, said)
        return said["data"]


@asynccontextmanager
async def prometheus(mesh: Mesh, sidecars: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """One that asks the control plane and these pods' sidecars each second; labels of targets by pod as ``pod``."""
    listener, stop = listen("127.0.0.1:0"), asyncio.Event()
    at = f"127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(_targets(mesh, sidecars), listener, stop))
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "prometheus.yml"
            file.write_text(yaml.safe_dump(_config(at, sidecars)))
            async with _running(file) as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
                yield Prometheus(client)
    finally:
        stop.set()
        await serving


def _targets(mesh: Mesh, sidecars: Mapping[str, str]) -> Starlette:
    """The pages to be asked for: what pods and the control plane answer, relayed, as this machine has no way there."""

    async def control_plane(request: Request) -> Response:
        transport = httpx.AsyncHTTPTransport(uds=str(mesh.local.socket_path(HTTP_SOCKET)))
        async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
            return PlainTextResponse((await client.get("/metrics")).text)

    async def sidecar(request: Request) -> Response:
        pod = mesh.pod(sidecars[request.path_params["name"]])
        status, body = await mesh.local.admin_get(pod, _OF_SIDECARS)
        return PlainTextResponse(body, status)

    return Starlette(routes=[Route("/metrics", control_plane), Route("/sidecar/{name}", sidecar)])


def _config(at: str, sidecars: Mapping[str, str]) -> dict[str, Any]:
    own = {
        "job_name": "control plane",
        "static_configs": [{"targets": [at], "labels": {"pod": "plait-0"}}],
    }
    proxies = [
        {
            "job_name": f"sidecar {name}",
            "metrics_path": f"/sidecar/{name}",
            "static_configs": [{"targets": [at], "labels": {"pod": name}}],
            "metric_relabel_configs": documented(),
        }
        for name in sidecars
    ]
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [own, *proxies]}


@asynccontextmanager
async def _running(config: Path) -> AsyncIterator[str]:
    """The address of one with that configuration."""
    command = [str(PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'data'}"]
    process = await asyncio.create_subprocess_exec(
        *command, "--web.listen-address=127.0.0.1:0", stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(_START_S):
            while (found := _LISTENS.search((line := await process.stderr.readline()).decode())) is None:
                assert line, "Prometheus has ended"
        reading = asyncio.create_task(process.stderr.read())
        yield found[1]
        reading.cancel()
    finally:
        process.terminate()
        await process.wait()
