"""What has happened: the latest generations of configuration, what changed in each, and what proxies made of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from xds.history.former import Content, Former, is_kept
from xds.history.generation import MOST_CONTENTS, Changed, Generation, Json, Stage
from xds.model.refs import ObjectRef
from xds.server import Answer, Node, Observer
from xds.slices import Slices
from xds.sources.changes import AuthoredObject
from xds.wire.resource import EMPTY, ResourceSet, Table
from xds.wire.type_urls import short

MOST: Final = 200
_MOST_QUIET: Final = 50
ALL: Final = MOST + _MOST_QUIET
"""So many are kept."""
_OBJECTS_A_SLICE: Final = 256
_MOST_NACKS: Final = 10
_MOST_DRAINS: Final = 20
_MOST_TEXT: Final = 1000

Told = Mapping[ObjectRef, float]
Known = Iterable[tuple[ObjectRef, AuthoredObject | None]]


class History(Observer):
    """The latest generations: so many in which somebody's configuration changed, and some others.

    ``begin`` and ``made`` are told of objects, ``told`` and ``left`` of what proxies are served, ``published`` ends a
    generation. All methods are called in the event loop. Who is in ``begun`` is told of each generation when it is
    published, who is in ``ended`` when no proxy is waited for any more.
    """

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self._number = 0
        self._held: dict[ObjectRef, AuthoredObject] = {}
        self._beginning: Container[ObjectRef] = ()
        self._begun: dict[ObjectRef, AuthoredObject | None] = {}
        self._next = Generation()
        self._seen: set[tuple[Table, Table]] = set()
        self._loud: deque[Generation] = deque(maxlen=MOST)
        self._quiet: deque[Generation] = deque(maxlen=_MOST_QUIET)
        self._open: dict[str, list[Generation]] = {}
        self._groups: dict[str, dict[str, None]] = {}  # of each node, those that are open
        self._former = Former()
        self._reads: dict[ObjectRef, tuple[float, float]] = {}
        self.tries: Callable[[], Sequence[Json]] = list
        """Answers what rolls out in steps, and how the latest such have ended."""
        self.begun: list[Callable[[Generation], None]] = []
        self.ended: list[Callable[[Generation], None]] = []

    # -- what happens

    def reading(self, refs: Iterable[ObjectRef], began: float | None) -> None:
        """A source has read these since then, and tells of them now."""
        if began is not None:
            self._reads.update(dict.fromkeys(refs, (began, time.monotonic())))

    def begin(self, known: Known, refs: Container[ObjectRef]) -> Slices[None]:
        """These objects are being worked in, those of ``refs``; None: it is gone. In slices."""
        self._beginning = refs
        for count, (ref, each) in enumerate(known):
            self._begun[ref] = each
            if count % _OBJECTS_A_SLICE == 0:
                yield
        self._beginning = ()

    def made(self, told: Told) -> Slices[None]:
        """What these objects make is part of the next generation; ``told`` is when they were told of. In slices."""
        since = min(told.values(), default=None)
        if since is not None and (self._next.told is None or since < self._next.told):
            self._next.told = since
        for count, ref in enumerate(told):
            if ref in self._begun:
                self._note(ref, self._begun.pop(ref))
            if ref in self._reads:
                self._next.was_read(*self._reads.pop(ref))
            if count % _OBJECTS_A_SLICE == 0:
                yield

    def stage(self, name: str, began: float, ended: float | None = None) -> None:
        """A part of the work on the next generation is done. Units: seconds of the monotonic clock."""
        self._next.stages.append(Stage(name, began, time.monotonic() if ended is None else ended))

    def refused(self, name: str, reason: str) -> None:
        """Something of the next generation is sent to nobody, as it was judged bad."""
        self._next.refuse(name, reason)

    def working_on(self, ref: ObjectRef) -> bool:
        """Whether the object's newest content that was begun is not published yet."""
        return ref in self._beginning or ref in self._begun or ref in self._next.objects

    def told(self, group: str, before: ResourceSet, after: ResourceSet, *, connected: bool) -> None:
        """A proxy that was served ``before`` is served ``after``; ``connected``: somebody is there to answer."""
        if self._counted(before, after) and connected and group not in self._next.groups:
            self._next.groups.add(group)
            self._next.proxies += 1
            self._open.setdefault(group, []).append(self._next)
            self._groups.setdefault(_node_of(group), {})[group] = None

    def left(self, group: str) -> None:
        """A proxy is served no more: nobody waits for its answers."""
        for each in self._closed(group):
            each.answered(group)
            for ended in self.ended if each.settled is not None else ():
                ended(each)

    def on_written(self, group: str, type_url: str, size_bytes: int, seconds: tuple[float, float]) -> None:
        """A proxy was sent something: of the newest generation that it was told of."""
        if generations := self._open.get(group):
            generations[-1].responses += 1
            generations[-1].sent_bytes += size_bytes

    def on_converged(self, group: str, seconds: float) -> None:
        """A proxy has answered for all that it is served."""
        self.left(group)

    def on_gone(self, group: str) -> None:
        """A proxy is not there any more; if it comes again, it is served what there is then."""
        self.left(group)

    def on_nack(self, node: Node, answer: Answer) -> None:
        """A proxy has refused something: of the newest generation that it was told of, or has it from its start."""
        found = self._open_of(node)
        generation = found if found is not None else next(iter(self._newest()), None)
        if generation is None:
            return
        if len(generation.nacks) >= _MOST_NACKS:
            generation.more_nacks += 1
            return
        generation.nacked.append(time.monotonic())
        generation.nacks.append(
            {
                "proxy": node.id,
                "type": short(answer.type_url),
                "resource": answer.culprit.resource.name if answer.culprit is not None else "",
                "reason": (answer.reason or "")[:_MOST_TEXT],
                "at": datetime.now(UTC).isoformat(),
            }
        )

    def drained(self, listener: str, proxies: int, what: str) -> None:
        """A listener of so many proxies drains connections."""
        if len(self._next.drains) < _MOST_DRAINS:
            self._next.drains.append({"listener": listener, "proxies": proxies, "what": what[:_MOST_TEXT]})

    def published(self) -> None:
        """All that was made is served."""
        done, self._next = self._next, Generation()
        self._seen.clear()
        if not done.objects and not any(done.resources.values()):
            self._wait_no_more(done)
            return
        self._number += 1
        kept = self._quiet if done.quiet else self._loud
        if len(kept) == kept.maxlen:
            self._wait_no_more(kept[0])  # it makes room
        kept.append(done)
        done.publish(self._number)
        for told in (*self.begun, *(self.ended if done.settled is not None else ())):
            told(done)

    # -- what is told of it

    def latest(self, last: int = ALL, after: int = 0) -> Json:
        """The last generations, the oldest first; none up to ``after``. May be shaped in a thread."""
        newest = self._newest()
        chosen = [each for each in newest if each.number > after][: max(0, last)]
        return {
            "started": self._started.isoformat(),
            "generation": self._number,
            "waiting": {str(each.number): len(each.groups) for each in newest if each.groups},
            "generations": [each.plain() for each in reversed(chosen)],
        }

    def one(self, number: int) -> Json | None:
        """A generation with the contents of its objects; None where it is not known. May be shaped in a thread."""
        found = next((each for each in self._newest() if each.number == number), None)
        return None if found is None else found.plain(whole=True)

    def _newest(self) -> Sequence[Generation]:
        return sorted((*self._loud, *self._quiet), key=lambda each: each.number, reverse=True)

    def _wait_no_more(self, generation: Generation) -> None:
        """Nobody's answers for it are of interest: of one that is told no more, or was none."""
        for group in generation.groups:
            waiting = [each for each in self._open.get(group, ()) if each is not generation]
            if waiting:
                self._open[group] = waiting
            else:
                self._closed(group)

    def _closed(self, group: str) -> Sequence[Generation]:
        """A proxy has nothing to answer for any more; comes back: what it had."""
        self._groups.get(_node_of(group), {}).pop(group, None)
        if not self._groups.get(_node_of(group)):
            self._groups.pop(_node_of(group), None)
        return self._open.pop(group, ())

    def _open_of(self, node: Node) -> Generation | None:
        """The newest generation that a proxy has not answered for."""
        found = (self._open.get(group) for group in self._groups.get(node.id, ()))
        return next((generations[-1] for generations in found if generations), None)

    def _note(self, ref: ObjectRef, now: AuthoredObject | None) -> None:
        before = self._held.pop(ref, None)
        if now is not None:
            self._held[ref] = now
        if before is None and now is None:
            return
        if before is not None and now is not None and before.struct is now.struct:
            return
        earlier = self._next.objects.pop(ref, None)  # it has changed before in this generation
        existed = before is not None if earlier is None else earlier.what != "created"
        if now is None and not existed:
            return
        first = before.struct if before is not None else None
        if earlier is not None and earlier.content is not None:
            first = earlier.content.before
        held = now or before
        self._next.objects[ref] = Changed(
            ref,
            "deleted" if now is None else "changed" if existed else "created",
            held.origin if held is not None else None,
            now.generation if now is not None else 0,
            self._content(ref, first, now),
        )

    def _content(self, ref: ObjectRef, before: Any, now: AuthoredObject | None) -> Content | None:
        # At the start everything is new: what an object was before is nothing then, and costs nothing.
        if not self._number or len(self._next.objects) >= MOST_CONTENTS or not is_kept(ref):
            return None
        return self._former.keep(before, now.struct if now is not None else None)

    def _counted(self, before: ResourceSet, after: ResourceSet) -> bool:
        """Whether anything differs; each pair of tables is counted once, however many proxies share it."""
        differs = False
        for url in dict.fromkeys((*before.layers, *after.layers)):
            old, new = before.of(url), after.of(url)
            width = max(len(old), len(new))
            pairs = zip(old + (EMPTY,) * (width - len(old)), new + (EMPTY,) * (width - len(new)), strict=True)
            for one, other in pairs:
                if one is other or not (found := other.since(one)):
                    continue
                differs = True
                if (one, other) not in self._seen:
                    self._seen.add((one, other))
                    count = len(found.changed) + len(found.removed)
                    self._next.resources[short(url)] = self._next.resources.get(short(url), 0) + count
        return differs


def _node_of(group: str) -> str:
    """The id of the node whose group it is: its name begins with that."""
    return group.rpartition("#")[0]
