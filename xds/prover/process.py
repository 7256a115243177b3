"""The prover's process: a stock Envoy with a socket, no network where that can be had, started anew when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from xds.events import Event
from xds.prover.bootstrap import bootstrap

log = structlog.get_logger()

_FLAGS: Final = (
    *("--concurrency", "1", "--drain-time-s", "1", "--parent-shutdown-time-s", "2"),
    *("--disable-hot-restart", "--log-level", "critical"),
)
_ALONE: Final = ("unshare", "--map-root-user", "--net", "--")
_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL", "--")  # a control plane that is killed leaves nobody behind
_SECOND_CHANCE_S: Final = 0.2
_LONGEST_S: Final = 30.0
_END_S: Final = 2.0


async def version_of(binary: Path) -> str:
    """What an Envoy says of its version and build. Errors: OSError where it cannot be run."""
    try:
        running = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        raise OSError(f"prover: cannot run {binary}: {error.strerror}") from error
    said, _ = await running.communicate()
    if running.returncode:
        raise OSError(f"{binary} --version has ended with {running.returncode}")
    return said.decode(errors="replace").strip()


class Process:
    """An Envoy that runs until it is cancelled. ``ended`` is told each time that it has ended by itself.

    ``arrivals`` counts those that were of use: one that was is started anew at once, others after longer and longer.
    """

    def __init__(self, binary: Path, folder: Path, ended: Callable[[], None], arrivals: Callable[[], int]) -> None:
        self._binary = binary
        self._folder = folder
        self._ended = ended
        self._arrivals = arrivals
        self._running: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        """Where the prover's server has to listen."""
        return self._folder / "xds"

    def kill(self) -> None:
        """End it: it does not answer; it is started anew."""
        if self._running is not None and self._running.returncode is None:
            self._running.kill()

    async def run(self) -> None:
        """Keep an Envoy running, for ever."""
        config = self._folder / "envoy.json"
        config.write_text(json.dumps(bootstrap(self.socket)))
        alone = await _can_be_alone()
        around = (*(_ALONE if alone else ()), *(_WITH_US if shutil.which(_WITH_US[0]) else ()))
        command = (*around, str(self._binary), "--config-path", str(config), *_FLAGS)
        pause = 0.0
        while True:
            before = self._arrivals()
            try:
                code = await self._once(command)
            except OSError as error:
                log.warning(Event.PROVER_ENDED, error=str(error))
            else:
                log.warning(Event.PROVER_ENDED, code=code)
            self._ended()
            served = self._arrivals() > before
            pause = _SECOND_CHANCE_S if served or not pause else min(pause * 2, _LONGEST_S)
            await asyncio.sleep(pause)

    async def _once(self, command: tuple[str, ...]) -> int:
        running = self._running = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            env={},
        )
        log.info(Event.PROVER_STARTED, pid=running.pid, isolated=command[0] == _ALONE[0])
        try:
            return await running.wait()
        finally:
            if running.returncode is None:
                running.kill()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running.wait(), _END_S)


async def _can_be_alone() -> bool:
    """Whether it can have a network namespace of its own, in which there is nobody to reach."""
    if shutil.which(_ALONE[0]) is None:
        return False
    trial = await asyncio.create_subprocess_exec(
        *_ALONE, "true", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await trial.wait() == 0
