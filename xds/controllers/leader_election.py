"""Which of several control planes writes what only one may write: the holder of a Lease.

The `kubernetes` package's own elector does not serve: it sleeps in threads that cannot be cancelled, ends the process
or itself when it loses, never releases the lease, and compares clocks without time zones.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final, TypeVar

import structlog

from xds.controllers.lease import Lease
from xds.controllers.rounds import Failed, reason
from xds.events import Event

log = structlog.get_logger()

T = TypeVar("T")

# Others take over when they have seen no renewal for so long, by their own clock.
_LEASE: Final = timedelta(seconds=10)
# A holder that could not renew for so long stops leading: before anybody else may begin.
_RENEW_DEADLINE_S: Final = 7.0
# How often it is renewed, and looked at by others; up to a quarter more, so that they do not come all at once.
_RETRY_S: Final = 2.0
_CALL_S: Final = 3.0
_RELEASE_S: Final = 2.0
_WORK_AGAIN_S: Final = 5.0


class LeaderElection:
    """Takes part in the election for the Lease ``namespace/name`` as ``identity``, which no other may have.

    Whoever is killed is followed within the lease and a moment; whoever ends is followed at the next look.
    """

    def __init__(self, api_client: Any, namespace: str, name: str, identity: str) -> None:
        self._lease = Lease(api_client, namespace, name, identity, _LEASE, timeout_s=_CALL_S)
        self._identity = identity
        # Its own: slow calls of others must not keep the lease from being renewed.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="lease")
        self._until = 0.0  # of time.monotonic; leading ends then, renewed or not
        self._won = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()
        self._works: set[asyncio.Task[None]] = set()
        self._trouble = ""

    @property
    def leading(self) -> bool:
        """Whether this one may write now."""
        return self._won.is_set() and time.monotonic() < self._until

    @property
    def holder(self) -> str:
        """Who held the lease when it was last looked at; empty: nobody."""
        return self._lease.holder

    async def run(self) -> None:
        """Take part, for ever; when cancelled, the works are ended and the lease is given up."""
        try:
            while True:
                pause = await self._round()
                await asyncio.sleep(pause)
        finally:
            await self._leave()

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have ``work()`` done whenever this one leads, for ever: begun when it wins, cancelled when it loses.

        What ends by itself is done again only after the next win; what fails, a moment later.
        """
        while True:
            await self._won.wait()
            task = asyncio.create_task(_done(work))
            lost = asyncio.create_task(self._lost.wait())
            self._works.add(task)
            try:
                await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
                if task.done() and not task.cancelled() and task.exception() is not None:
                    # A bug in one work: the others, and the lease, go on.
                    log.error(Event.LEADER_WORK_FAILED, exc_info=task.exception())
                    await asyncio.wait((lost,), timeout=_WORK_AGAIN_S)
                else:
                    await asyncio.wait((lost,))
            finally:
                lost.cancel()
                task.cancel()
                await asyncio.gather(task, lost, return_exceptions=True)
                self._works.discard(task)

    async def _round(self) -> float:
        """Renew, or try to take; answers how long to wait until the next."""
        began = time.monotonic()
        pause = _RETRY_S * random.uniform(1.0, 1.25)
        try:
            async with asyncio.timeout(self._patience_s(began)):
                held = await self._in_thread(self._lease.hold)
            self._trouble = ""
        except (*Failed, TimeoutError) as error:
            self._note(error)
            held = None
        if held:
            self._until = began + _RENEW_DEADLINE_S
            self._win()
        elif held is False or not self.leading:
            self._lose()
        if self.leading:
            return max(0.0, min(pause, self._until - time.monotonic()))
        return min(pause, max(self._lease.expires_in_s(), 0.05)) if held is False else pause

    def _patience_s(self, now: float) -> float:
        return self._until - now if self.leading else 2 * _CALL_S

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _win(self) -> None:
        if not self._won.is_set():
            log.info(Event.LEADERSHIP_TAKEN, identity=self._identity)
            self._lost.clear()
            self._won.set()

    def _lose(self) -> None:
        if self._won.is_set():
            log.warning(Event.LEADERSHIP_LOST, identity=self._identity, holder=self._lease.holder)
            self._won.clear()
            self._lost.set()

    async def _leave(self) -> None:
        held = self._won.is_set()
        self._lose()
        if self._works:  # nobody else may begin while these still write
            await asyncio.wait(self._works, timeout=_RELEASE_S)
        if held:
            try:
                async with asyncio.timeout(_RELEASE_S):
                    await self._in_thread(self._lease.release)
            except (*Failed, TimeoutError) as error:
                self._note(error)  # it expires by itself
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _note(self, error: Exception) -> None:
        text = reason(error)
        if text != self._trouble:
            self._trouble = text
            log.warning(Event.LEASE_NOT_HELD, reason=text)


async def _done(work: Callable[[], Awaitable[None]]) -> None:
    await work()
