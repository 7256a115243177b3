"""A control plane that lets in only who proves itself, wired as ``plait up`` wires it, and that can be asked how it is.

Run as ``python -m bench.secured MANIFESTS SOCKET HTTP LIFETIME_S``; obeys JSON lines on its standard input, answers
with JSON lines. Commands, by ``do``:

tokens    answers with a token for each of ``pods`` [[namespace, account, name] ...]
watch     from now on look at how long the event loop is held; answers at once
held      answers with the longest that it was held since, by its thread's own time and by the clock, in seconds
new-root  start replacing the CA's root; answers at once
rooted    answers when the new root is the only one
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ca.issuer import self_signed
from ca.rotation import start
from ca.state import CaState, Phase
from ca.store import MemoryStore
from xds.app import ControlPlane
from xds.callers.authenticate import Authenticator
from xds.callers.join_tokens import JoinTokens
from xds.callers.tokens import Tokens
from xds.cli import collector
from xds.cli.until_signalled import run_until_signalled
from xds.events import set_up
from xds.identity.trust import Trust
from xds.model.identity import TrustDomains
from xds.settings import Settings
from xds.sources.files import FileSource

Json = dict[str, Any]
_TICK_S: Final = 0.002
_LOOK_AGAIN_S: Final = 0.05
_LINE_BYTES: Final = 1 << 24


class LoopWatch:
    """How long the event loop is held: between two ticks of a timer that is due every two milliseconds."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._own = 0.0
        self._clock = 0.0

    def begin(self) -> None:
        """Look from now on."""
        self._own = self._clock = 0.0
        self._task = asyncio.create_task(self._look())

    async def end(self) -> Json:
        """The longest time that it was held; ``own`` leaves out what other processes had of the processor."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        return {"own": self._own, "clock": self._clock}

    async def _look(self) -> None:
        while True:
            own, clock = time.thread_time(), time.monotonic()
            await asyncio.sleep(_TICK_S)
            self._own = max(self._own, time.thread_time() - own)
            self._clock = max(self._clock, time.monotonic() - clock - _TICK_S)


class Orders:
    """What the benchmark asks of the control plane beside what sidecars do."""

    def __init__(self, joining: JoinTokens, store: MemoryStore) -> None:
        self._joining = joining
        self._store = store
        self._loop = LoopWatch()

    async def obey(self) -> None:
        """Obey until standard input ends."""
        lines = asyncio.StreamReader(limit=_LINE_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            order = json.loads(line)
            sys.stdout.write(json.dumps(await self._answer(order)) + "\n")
            sys.stdout.flush()

    async def _answer(self, order: Json) -> Json:
        if order["do"] == "tokens":
            return {"tokens": self._tokens(order["pods"])}
        if order["do"] == "watch":
            self._loop.begin()
        elif order["do"] == "held":
            return await self._loop.end()
        elif order["do"] == "new-root":
            now = datetime.now(UTC)
            self._store.save(start(self._state(), self_signed(now), now))
        elif order["do"] == "rooted":
            while self._state().phase is not Phase.STABLE:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_S)  # the control plane writes its steps there
        return {}

    def _tokens(self, pods: list[tuple[str, str, str]]) -> list[str]:
        now = datetime.now(UTC)
        return [self._joining.issue(*pod, now=now) for pod in pods]

    def _state(self) -> CaState:
        state = self._store.load()
        if state is None:
            raise RuntimeError("the CA is not open")
        return state


async def _serve(manifests: Path, listening: Settings) -> None:
    joining, store = JoinTokens(), MemoryStore()
    trust = Trust(Authenticator([Tokens(TrustDomains().own, joining.keys)]), store)
    collector.relax()
    async with ControlPlane(listening, [FileSource(manifests)], trust) as control_plane:
        collector.settle()
        obeying = asyncio.create_task(Orders(joining, store).obey())
        try:
            await control_plane.wait()
        finally:
            obeying.cancel()


def main() -> None:
    """Serve until SIGTERM."""
    manifests, socket, http, lifetime_s = sys.argv[1:]
    listening = Settings(
        xds="",
        xds_plaintext=f"unix:{socket}",
        anonymous=False,
        certificate_lifetime=timedelta(seconds=float(lifetime_s)),
        http=f"127.0.0.1:{http}",
    )
    set_up("info")
    run_until_signalled(_serve(Path(manifests), listening))


if __name__ == "__main__":
    main()
