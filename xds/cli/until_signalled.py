"""Work that goes on until the user or the system ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, Final

# Signals this close together mean one thing: `timeout` and others send theirs to the process and to its group.
_ONE_INTENT_S: Final = 1.0


def run_until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it ends, or cancel it at SIGTERM or SIGINT and wait until it has cleaned up after itself.

    Errors: those of ``work``.
    """
    # Read when grpc is first imported; what it would write to stderr is in the exceptions too.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import uvloop

    uvloop.run(_until_signalled(work))


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    first: list[float] = []

    def end(number: signal.Signals) -> None:
        """Clean up; whoever insists later does not want to wait for that."""
        if not first:
            first.append(loop.time())
            task.cancel()
        elif loop.time() - first[0] > _ONE_INTENT_S:
            os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
