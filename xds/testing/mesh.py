"""A local mesh in a test: its manifests, requests from its pods, and what its proxies say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack
from uuid import uuid4

from xds.local.output import OutputLine
from xds.local.pods import PodKey
from xds.local.settings import LocalSettings
from xds.model.problem import Problem
from xds.server import Rejected
from xds.testing.answers import Answer, Reply
from xds.testing.pod_client import PodClient
from xds.testing.rejections import Refused, Rejections
from xds.up import Up, up

LIMIT: Final = timedelta(seconds=30)
_LOOK_AGAIN_S: Final = 0.02


class How(TypedDict, total=False):
    """How requests are made; what is left out is as in ``DEFAULTS``. ``method`` of gRPC is the whole path."""

    method: str
    headers: Mapping[str, str]
    data: str
    concurrency: int
    keep_alive: bool
    h2: bool
    timeout_s: float


DEFAULTS: Final = How(method="GET", headers={}, data="", concurrency=1, keep_alive=True, h2=False, timeout_s=10.0)


def _job(kind: str, how: How) -> dict[str, Any]:
    wanted: How = {**DEFAULTS, **how}
    return {"kind": kind, **wanted, "headers": list(wanted["headers"].items())}


class Load:
    """Requests that are made while a block runs; ``answers`` are there when it has ended."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    @property
    def failed(self) -> list[Answer]:
        """The answers that are no 200."""
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def connections(self) -> int:
        """How many connections the client has opened."""
        return len({answer.connection for answer in self.answers})


class Mesh:
    """A running mesh. Pods are named ``client`` or ``shop/client``, or by their workload where that has one pod."""

    def __init__(self, running: Up, name: str, folder: Path) -> None:
        self.up = running
        self.folder = folder
        self._name = name
        self._clients: dict[PodKey, PodClient] = {}
        self._applied: set[str] = set()
        self._rejections = Rejections()
        running.control_plane.observe(self._rejections)

    # -- what runs

    async def apply(self, manifests: str, name: str = "extra.yaml", *, limit: timedelta = LIMIT) -> None:
        """Save the manifests as a file of the mesh; returns when all of it runs and every proxy has acknowledged it.

        What a proxy refuses is found by ``one_test``. Errors: TimeoutError, with the names of those that lag.
        """
        self._applied.add(name)
        draft = self.folder / f".{name}"
        draft.write_text(manifests)
        draft.replace(self.folder / name)
        await self.settled(limit)

    async def delete(self, name: str = "extra.yaml", *, limit: timedelta = LIMIT) -> None:
        """Remove a file that ``apply`` has saved; returns when that is in force."""
        self._applied.discard(name)
        (self.folder / name).unlink()
        await self.settled(limit)

    async def settled(self, limit: timedelta = LIMIT) -> None:
        """Return when the manifests on disk are what runs, and every proxy has acknowledged it and works by it."""
        with contextlib.suppress(Rejected):
            await self.up.until_current(limit)
            await self.until(self._warm, "listeners and clusters are warm", limit)
            await self.up.until_current(limit)

    async def _warm(self) -> bool:
        pods = [key for key, status in self.up.mesh.statuses.items() if status.sidecar and status.ready]
        wanted = "(listener_manager.total_listeners_warming|cluster_manager.warming_clusters)"
        found = await asyncio.gather(*(self.stats(str(pod), wanted) for pod in pods))
        return not any(value for stats in found for value in stats.values())

    @contextlib.asynccontextmanager
    async def one_test(self) -> AsyncIterator[None]:
        """Undo at the end what was applied within. Errors: AssertionError when a proxy has refused something."""
        try:
            yield
        finally:
            for name in self._applied:
                (self.folder / name).unlink(missing_ok=True)
            if self._applied:
                self._applied.clear()
                await self.settled()
            refused = self._rejections.take()
        assert not refused, "\n".join(map(str, refused))

    def take_rejections(self) -> tuple[Refused, ...]:
        """What proxies have refused in this test so far; by that it is expected."""
        return self._rejections.take()

    @property
    def problems(self) -> Sequence[Problem]:
        """The control plane's findings, which follow a change within a moment."""
        return self.up.control_plane.findings.problems

    # -- requests

    async def get(self, pod: str, url: str, **how: Unpack[How]) -> Answer:
        """The answer to one request made in the pod."""
        return (await self.requests(pod, url, 1, **how))[0]

    async def requests(self, pod: str, url: str, count: int, **how: Unpack[How]) -> list[Answer]:
        """The answers to so many requests made in the pod, in the order in which they came."""
        told = await (await self._client(pod)).answers({**_job("http", how), "url": url, "count": count})
        return [Answer.of(each) for each in told]

    @contextlib.asynccontextmanager
    async def load(self, pod: str, url: str, rate: float, **how: Unpack[How]) -> AsyncIterator[Load]:
        """``rate`` requests a second from the pod while the block runs. Units: requests per second."""
        client, load = await self._client(pod), Load()
        number = client.begin({**_job("http", how), "url": url, "rate": rate})

        async def collect() -> None:
            async for told in client.run(number):
                load.answers.append(Answer.of(told))

        collecting = asyncio.create_task(collect())
        try:
            yield load
        finally:
            client.stop(number)
            await collecting

    async def tcp(
        self, pod: str, host: str, port: int, lines: Iterable[str] = (), *, count: int = 1, greetings: int = 1
    ) -> list[Reply]:
        """The replies over ``count`` connections, open together: ``greetings`` lines, then one to each of ``lines``."""
        where = {"host": host, "port": port, "timeout_s": DEFAULTS["timeout_s"]}
        job = {"kind": "tcp", **where, "lines": list(lines), "count": count, "greetings": greetings}
        return [Reply.of(told) for told in await (await self._client(pod)).answers(job)]

    async def websocket(
        self, pod: str, url: str, messages: Iterable[str] = (), headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The reply over a websocket: a greeting, then one message to each of ``messages``."""
        what = {"url": url, "messages": list(messages), "headers": list((headers or {}).items())}
        job = {"kind": "websocket", **what, "timeout_s": DEFAULTS["timeout_s"]}
        return Reply.of((await (await self._client(pod)).answers(job))[0])

    async def grpc(self, pod: str, target: str, count: int = 1, **how: Unpack[How]) -> list[Reply]:
        """The replies to ``count`` calls over one channel; ``headers`` become metadata, ``data`` the only message."""
        job = _job("grpc", {"method": "/plait.Echo/Echo", **how})
        told = await (await self._client(pod)).answers({**job, "target": target, "count": count})
        return [Reply.of(each) for each in told]

    async def _client(self, pod: str) -> PodClient:
        key = self.pod(pod)
        if key not in self._clients:
            self._clients[key] = await PodClient.start(self._name, key)
        return self._clients[key]

    # -- pods and proxies

    def pod(self, name: str) -> PodKey:
        """The pod of that name. Errors: LookupError when there is none, or more than one."""
        namespace, _, plain = name.rpartition("/")
        here = [key for key in self.up.mesh.statuses if namespace in {"", key.namespace}]
        found = [key for key in here if key.name == plain] or [key for key in here if key.name.startswith(f"{plain}-")]
        if len(found) != 1:
            raise LookupError(f"{len(found)} pods are named {name}; there are {', '.join(map(str, here))}")
        return found[0]

    def ip(self, pod: str) -> str:
        """The pod's first address."""
        return self.up.mesh.statuses[self.pod(pod)].ip

    async def stats(self, pod: str, pattern: str = "") -> dict[str, int]:
        """The counters and gauges of the pod's Envoy whose names match the regular expression."""
        _, body = await self.up.mesh.admin_get(self.pod(pod), f"/stats?format=json&filter={pattern}")
        return {each["name"]: each["value"] for each in json.loads(body)["stats"] if "value" in each}

    async def config_dump(self, pod: str) -> dict[str, Any]:
        """What the pod's Envoy holds, endpoints included."""
        _, body = await self.up.mesh.admin_get(self.pod(pod), "/config_dump?include_eds")
        dump: dict[str, Any] = json.loads(body)
        return dump

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, limit: timedelta = LIMIT) -> None:
        """Return when ``holds`` answers True; asked again and again. Errors: TimeoutError, which says ``what``."""
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while not await holds():  # noqa: ASYNC110 (Envoy tells nobody)
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise TimeoutError(f"not in {limit.total_seconds():g} s: {what}") from None

    async def close(self) -> None:
        """End the client programs."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))


@contextlib.asynccontextmanager
async def running_mesh(manifests: str | Path, folder: Path, *, limit: timedelta = LIMIT) -> AsyncIterator[Mesh]:
    """A mesh of the manifests (YAML text, or a path whose files are copied into ``folder``), ready for requests.

    Errors: CommandFailed where pods cannot run, for example without root; TimeoutError, naming who is not ready.
    """
    _fill(folder, manifests)
    name = f"test-{os.getpid()}-{uuid4().hex[:8]}"
    async with up(folder, LocalSettings(name=name), _print) as running:
        mesh = Mesh(running, name, folder)
        await running.until_ready(limit)
        try:
            await mesh.settled(limit)
            yield mesh
        finally:
            await mesh.close()


def _fill(folder: Path, manifests: str | Path) -> None:
    if isinstance(manifests, str):
        (folder / "mesh.yaml").write_text(manifests)
    elif manifests.is_dir():
        shutil.copytree(manifests, folder, dirs_exist_ok=True)
    else:
        shutil.copy(manifests, folder)


def _print(line: OutputLine) -> None:
    # pytest shows it below a test that fails.
    print(f"{line.pod}/{line.container} | {line.text}")
