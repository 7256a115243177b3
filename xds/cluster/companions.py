"""What a control plane does in its cluster while it serves: lead, report, tell, answer the API server's webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from xds.events import Event

log = structlog.get_logger()

_AGAIN_S: Final = 5.0

Work = Callable[[], Awaitable[None]]


async def accompany(companions: Mapping[str, Work], serving: Awaitable[None]) -> None:
    """Run ``companions``, by name, for as long as ``serving`` goes on. Errors: what ends that.

    A companion that fails has a bug, as it is to get over what others do: it is logged, and begun anew.
    """
    tasks = [asyncio.create_task(_run(name, work), name=name) for name, work in companions.items()]
    try:
        await serving
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(name: str, work: Work) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception(Event.COMPANION_FAILED, companion=name)
        await asyncio.sleep(_AGAIN_S * random.uniform(0.5, 1.5))
