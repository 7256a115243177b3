"""Says which listeners a generation drains, and why: connections on them end when the drain time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from xds.events import Event
from xds.model.refs import ObjectRef
from xds.planner.effect import Effect
from xds.planner.plan import Effects, drains
from xds.wire.resource import ResourceSet

log = structlog.get_logger()

_MOST_SAID: Final = 10
_MOST_OBJECTS: Final = 1000


class Drained:
    """What one generation after the other drains."""

    def __init__(self) -> None:
        self._effects = Effects()
        self._counts: dict[Effect, int] = {}
        self._changed: dict[ObjectRef, None] = {}
        self.followers: list[Callable[[str, int, str], None]] = []
        """Who is told the same: the listener, how many proxies drain it, and what and why in a sentence."""

    def changed(self, objects: Iterable[ObjectRef]) -> None:
        """These objects are other than before: they are to blame for what drains next."""
        for ref in objects:
            if len(self._changed) >= _MOST_OBJECTS:
                return
            self._changed[ref] = None

    def note(self, before: ResourceSet, after: ResourceSet) -> None:
        """A proxy that has ``before`` is to have ``after``."""
        for effect in drains(before, after, self._effects):
            self._counts[effect] = self._counts.get(effect, 0) + 1

    def tell(self) -> None:
        """Log what was noted since the last time, each listener's change once; of very many, some."""
        for effect, proxies in list(self._counts.items())[:_MOST_SAID]:
            authors = [str(ref) for ref in effect.authors_among(self._changed)]
            what = effect.said(self._changed)
            log.warning(
                Event.LISTENER_DRAINED, listener=effect.name, proxies=proxies, what=what, objects=authors[:_MOST_SAID]
            )
            for each in self.followers:
                each(effect.name, proxies, what)
        if len(self._counts) > _MOST_SAID:
            log.warning(Event.LISTENERS_DRAINED, more=len(self._counts) - _MOST_SAID)
        self._effects, self._counts, self._changed = Effects(), {}, {}
