"""The simulated sidecars as seen from the benchmark: several processes that act as one."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from bench.mesh import Pod
from bench.process import usage

Json = dict[str, Any]
_LINE_BYTES: Final = 1 << 28
_ENVIRONMENT: Final = {**os.environ, "GRPC_VERBOSITY": "NONE"}  # a server that ends is no news here
_QUIET: Final = 0.4  # seconds without a response after which a change has run its course


class BenchmarkFailed(Exception):
    """A figure could not be had: a stream ended, or nothing came in time."""


@dataclass(frozen=True, slots=True)
class Moments:
    """When the first and the last stream got there (monotonic seconds)."""

    first: float
    last: float


@dataclass(slots=True)
class Traffic:
    """What all streams were sent: bytes, responses, ACKs and resources by type URL; ``streams`` is how many were."""

    bytes: Counter[str] = field(default_factory=Counter)
    responses: Counter[str] = field(default_factory=Counter)
    acks: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)
    last: float = 0.0

    def add(self, answer: Json) -> None:
        """Add what one process counted."""
        self.bytes.update(answer["bytes"])
        self.responses.update(answer["responses"])
        self.acks.update(answer["acks"])
        self.resources.update(answer["resources"])
        self.streams.update(answer["streams"])
        self.last = max(self.last, answer["last"])

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.bytes.values())


class Fleet:
    """``processes`` processes of simulated sidecars. An async context manager: leaving ends them."""

    def __init__(self, processes: int = 2, patience: float = 120.0) -> None:
        self._count = processes
        self._patience = patience
        self._workers: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        for _ in range(self._count):
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.sidecars"), stdin=pipe, stdout=pipe, limit=_LINE_BYTES, env=_ENVIRONMENT
            )
            self._workers.append(worker)
        await self.traffic()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.stdin is not None:
                worker.stdin.close()
        for worker in self._workers:
            try:
                await asyncio.wait_for(worker.wait(), 10)
            except TimeoutError:
                worker.kill()

    async def connect(self, target: str, pods: list[Pod], kind: str, messages: int = 0) -> Moments:
        """Open a stream for each pod; when the first and the last were in sync."""
        shares = [[asdict(pod) for pod in pods[start :: self._count]] for start in range(self._count)]
        commands = [
            {"do": "connect", "target": target, "kind": kind, "messages": messages, "pods": share} for share in shares
        ]
        return _moments(await self._all(commands))

    async def watch(self, *markers: tuple[frozenset[str], str], namespace: str = "") -> None:
        """From now on wait for texts to come in responses of these types, to the pods of a namespace or to all."""
        listed = [[sorted(types), text] for types, text in markers]
        await self._each({"do": "watch", "markers": listed, "namespace": namespace})

    async def reached(self) -> Moments:
        """When the first and the last stream had got every text that is watched for."""
        return _moments(await self._each({"do": "reached"}))

    async def traffic(self) -> Traffic:
        """What came since the last time."""
        total = Traffic()
        for answer in await self._each({"do": "counts"}):
            total.add(answer)
        return total

    async def settled(self) -> Traffic:
        """What came since the last time, once nothing has come for a while."""
        total = Traffic()
        while True:
            for answer in await self._each({"do": "counts"}):
                total.add(answer)
            left = total.last + _QUIET - time.monotonic()
            if left <= 0:
                return total
            await asyncio.sleep(left)

    async def recorded(self) -> list[bytes]:
        """What one of the streams was sent since the last time."""
        answers = await self._each({"do": "record"})
        return [base64.b64decode(text) for text in answers[0]["responses"]]

    def cpu(self) -> float:
        """The processor seconds that the simulated sidecars have used up to now."""
        return sum(usage(worker.pid).cpu for worker in self._workers)

    async def close(self) -> None:
        """End all streams."""
        await self._each({"do": "close"})

    async def _each(self, command: Json) -> list[Json]:
        return await self._all([command] * self._count)

    async def _all(self, commands: list[Json]) -> list[Json]:
        asked = (self._ask(worker, command) for worker, command in zip(self._workers, commands, strict=True))
        try:
            return await asyncio.wait_for(asyncio.gather(*asked), self._patience)
        except TimeoutError:
            raise BenchmarkFailed(f"no answer to {commands[0]['do']!r} in {self._patience:.0f} s") from None

    @staticmethod
    async def _ask(worker: asyncio.subprocess.Process, command: Json) -> Json:
        assert worker.stdin is not None and worker.stdout is not None  # noqa: PT018 - both are pipes
        worker.stdin.write(json.dumps(command).encode() + b"\n")
        await worker.stdin.drain()
        line = await worker.stdout.readline()
        if not line:
            raise BenchmarkFailed("a process of simulated sidecars ended")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise BenchmarkFailed(answer["error"])
        return answer


def _moments(answers: list[Json]) -> Moments:
    told = [answer for answer in answers if answer]
    return Moments(min(answer["first"] for answer in told), max(answer["last"] for answer in told))
