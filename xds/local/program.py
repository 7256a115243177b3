"""One program of a pod: started, its output passed on, told to end, and started again when it ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xds.local.commands import child_of
from xds.local.output import OutputLine, Sink, copy_lines
from xds.local.pods import PodKey, Restart

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
# A program that ran this long was well: its next crash is the first again.
_WELL_AFTER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``wrapped``: ``argv`` starts with ``nsenter``, whose only child is the program itself."""

    pod: PodKey
    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    sink: Sink
    wrapped: bool = True

    def say(self, text: str) -> None:
        """Put a line of ours among the program's output."""
        self.sink(OutputLine(self.pod, "plait", text))


class Running:
    """A program that was started."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._wrapped = program.wrapped
        assert process.stdout is not None
        self._copy = asyncio.create_task(copy_lines(process.stdout, program.pod, program.name, program.sink))

    async def wait(self) -> int:
        """The exit status, negative for a signal, when the program has ended and all it wrote was passed on."""
        status = await self._process.wait()
        # A grandchild may keep the pipe open for ever: what came until now is enough.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._copy, 0.5)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program (not to ``nsenter``, which passes none on); nothing when it has ended."""
        if self._process.returncode is not None:
            return
        pid = child_of(self._process.pid) if self._wrapped else self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid or self._process.pid, number)

    def kill(self) -> None:
        """Kill the program and what it started, as far as that did not leave its process group."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def start(program: Program) -> Running:
    """Start the program, its standard error joined to its output."""
    process = await asyncio.create_subprocess_exec(
        *program.argv,
        env=dict(program.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    return Running(program, process)


class Supervisor:
    """Keeps one program running by a restart policy. ``starts`` counts how often it was started."""

    def __init__(
        self,
        program: Program,
        restart: Restart,
        *,
        started: Callable[[], Awaitable[None]] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._program = program
        self._restart = restart
        self._on_start = started
        self._on_end = ended
        self._stopping = asyncio.Event()
        self._now: Running | None = None
        self.starts = 0

    async def run(self) -> int:
        """The last exit status, when the program has ended and is not to be started again."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            self._now = await start(self._program)
            self.starts += 1
            status = await self._watch(self._now)
            if self._stopping.is_set() or not self._again(status):
                return status
            pause = _FIRST_PAUSE_S if loop.time() - began > _WELL_AFTER_S else pause
            self._program.say(f"{self._program.name} ended with status {status}; started again in {pause:g} s")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
                return status
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _watch(self, running: Running) -> int:
        """Run the callbacks around one life of the program."""
        task = asyncio.ensure_future(self._on_start()) if self._on_start else None
        try:
            return await running.wait()
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            if self._on_end:
                self._on_end()

    def _again(self, status: int) -> bool:
        return self._restart is Restart.ALWAYS or (self._restart is Restart.ON_FAILURE and status != 0)

    def stop(self) -> None:
        """Ask the program to end (SIGTERM) and do not start it again."""
        self._stopping.set()
        if self._now is not None:
            self._now.send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the program at once and do not start it again."""
        self._stopping.set()
        if self._now is not None:
            self._now.kill()
