"""The client program of one pod, from outside: a process that is kept, so that a request costs no start of Python."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Self

from xds.local import state
from xds.local.commands import kill
from xds.local.pods import PodKey

_LONGEST_LINE: Final = 64 * 1024 * 1024
_COMMAND: Final = (sys.executable, "-m", "xds.testing.client")


class PodClient:
    """The client program in a pod. Errors of every method: RuntimeError when the program has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._jobs: dict[int, asyncio.Queue[Mapping[str, Any]]] = {}
        self._count = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, mesh: str, pod: PodKey) -> Self:
        """Start the program in a pod of the mesh of that name, which this process runs."""
        running = [entry for entry in state.running(state.state_folder()) if entry.name == mesh]
        entry = state.find_pod(running[0], pod.namespace, pod.name)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *entry.command(_COMMAND), env=dict(entry.env), stdin=pipe, stdout=pipe, limit=_LONGEST_LINE
        )
        return cls(process)

    async def answers(self, job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """All that the job gives."""
        return [told async for told in self.run(self.begin(job))]

    def begin(self, job: Mapping[str, Any]) -> int:
        """Start a job; returns its number."""
        self._count += 1
        self._jobs[self._count] = asyncio.Queue()
        self._write({"id": self._count, **job})
        return self._count

    def stop(self, number: int) -> None:
        """Tell a job to end."""
        self._write({"stop": number})

    async def run(self, number: int) -> AsyncGenerator[Mapping[str, Any], None]:
        """What the job gives, until it is done."""
        while "done" not in (told := await self._jobs[number].get()):
            if "failed" in told:
                raise RuntimeError(told["failed"])
            yield told
        del self._jobs[number]

    async def close(self) -> None:
        """End the program."""
        if self._process.returncode is None:
            await kill(self._process)
        await self._reading

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._jobs[told["id"]].put_nowait(told)
        for queue in self._jobs.values():
            queue.put_nowait({"failed": f"the client program has ended with status {await self._process.wait()}"})
