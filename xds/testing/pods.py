"""Requests made inside pods of a local mesh, and what the proxies of those pods say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, TypedDict, Unpack

from xds.local.mesh import LocalMesh
from xds.local.pods import PodKey
from xds.testing.answers import Answer, Reply
from xds.testing.pod_client import PodClient

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


class Pods:
    """The pods of a local mesh as clients.

    They are named ``client`` or ``shop/client``, or by their workload where that has one pod.
    """

    def __init__(self, local: LocalMesh, name: str) -> None:
        self.local = local
        self._name = name
        self._clients: dict[PodKey, PodClient] = {}

    @property
    def name(self) -> str:
        """The mesh's name, for ``--mesh`` of commands."""
        return self._name

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
        here = [key for key in self.local.statuses if namespace in {"", key.namespace}]
        found = [key for key in here if key.name == plain] or [key for key in here if key.name.startswith(f"{plain}-")]
        if len(found) != 1:
            raise LookupError(f"{len(found)} pods are named {name}; there are {', '.join(map(str, here))}")
        return found[0]

    def ip(self, pod: str) -> str:
        """The pod's first address."""
        return self.local.statuses[self.pod(pod)].ip

    async def stats(self, pod: str, pattern: str = "") -> dict[str, int]:
        """The counters and gauges of the pod's Envoy whose names match the regular expression."""
        _, body = await self.local.admin_get(self.pod(pod), f"/stats?format=json&filter={pattern}")
        return {each["name"]: each["value"] for each in json.loads(body)["stats"] if "value" in each}

    async def config_dump(self, pod: str) -> dict[str, Any]:
        """What the pod's Envoy holds, endpoints included."""
        _, body = await self.local.admin_get(self.pod(pod), "/config_dump?include_eds")
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
