"""A rollout carried out beside the serving, which goes on whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from xds.events import Event
from xds.model.refs import ObjectRef
from xds.rollout.course import Conductor, Course, Standing
from xds.rollout.held import Held
from xds.rollout.lead import Objects
from xds.rollout.progress import Phase
from xds.rollout.world import News

log = structlog.get_logger()

FAILED: Final = "could not be carried out"
"""How reasons begin that are not the change's."""

Roll = Callable[[Objects, Conductor], Awaitable[None]]
"""Carries a rollout out among the proxies of this control plane."""

Noted = Callable[[], Awaitable[None]]
"""Called when others are held back than before."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that is over."""

    standing: Standing
    at: datetime


def change_of(held: Mapping[ObjectRef, Held], refs: Iterable[ObjectRef]) -> News:
    """What these objects are to be, of those that are held back."""
    now = [(ref, held[ref].new) for ref in refs if ref in held]
    upserts = tuple((ref, each.struct) for ref, each in now if each is not None)
    return News(upserts, tuple(ref for ref, each in now if each is None))


async def outcome(course: Course, change: News, conductor: Conductor, work: asyncio.Task[None]) -> tuple[Phase, str]:
    """How ``course`` has ended, and why; ``work`` is that of its mesh, which never ends by itself."""
    going = asyncio.create_task(course.run(change, conductor), name="rollout")
    try:
        await asyncio.wait([going, work], return_when=asyncio.FIRST_COMPLETED)
        if not going.done():
            await work
        progress = await going
    except asyncio.CancelledError:
        raise
    except Exception as error:  # a bug of ours, or no certificate to be had, must not end the serving
        log.exception(Event.ROLLOUT_FAILED, objects=[str(ref) for ref in course.standing.objects])
        return Phase.ABORTED, f"{FAILED}: {error!r}"
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    return progress.phase, progress.reason
