"""Recordings: all requests of a workload's proxies for a while, as `plait record` reads them; a source that says which.

What is recorded is an input like any other: it turns a switch of those proxies (RTDS), so that no listener changes. A
recording ends when its time is over, when its reader says so, or when nobody has read it for a while.

``/debug/record?workload=NS/NAME&for=SECONDS`` begins one; ``?id=ID&after=N`` reads on, ``&stop=1`` ends it. JSON:
``{"id", "workload", "proxies": names of those that are told, "entries": [...], "next": number for ``after``, "lost":
entries that nobody is told of, "over": whether nothing more comes}``. Of this control plane's own proxies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex
from sys import getsizeof
from typing import Any, Final

from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.recording import Recording, known_as
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.snapshot import Snapshot, Table
from xds.proxies.recorded import as_json
from xds.server import Entry
from xds.sources.changes import Changed, Replaced, Transaction

NAME: Final = "recordings"
GROUP: Final = "recordings.plait"
KIND: Final = "Recording"
LONGEST: Final = timedelta(hours=1)
MOST: Final = 16
"""Recordings at once."""

MOST_ENTRIES: Final = 20_000
"""Entries of one recording that wait for its reader; older ones are lost."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""What these may take: an ordinary one 2 KB, one that callers or proxies make long some 30."""

LEASE: Final = timedelta(seconds=15)
"""How long a recording goes on that nobody reads."""

_LATE_S: Final = 3.0  # proxies send what they have within a second
_AT_ONCE: Final = 2_000
_OF_EACH: Final = 1_200  # bytes of an entry beside its values


@dataclass(slots=True)
class _Running:
    id: str
    what: Recording
    until: float
    read: float
    entries: deque[dict[str, Any]] = field(default_factory=deque)
    sizes: deque[int] = field(default_factory=deque)
    size: int = 0
    number: int = 0  # of all entries that have come
    dropped: int = 0
    on: bool = True

    def keep(self, entry: dict[str, Any]) -> None:
        """Add an entry; the oldest make room."""
        self.entries.append(entry)
        self.sizes.append(_OF_EACH + sum(map(getsizeof, entry.values())))
        self.size += self.sizes[-1]
        self.number += 1
        while len(self.entries) > MOST_ENTRIES or self.size > MOST_BYTES:
            self.entries.popleft()
            self.size -= self.sizes.popleft()


class Recordings:
    """The recordings that run, and the source that says so. All in one event loop.

    ``proxies`` answers those that are connected.
    """

    name = NAME

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        proxies: Callable[[], Iterable[Proxy]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot = snapshot
        self._proxies = proxies
        self._now = now
        self._running: dict[str, _Running] = {}
        self._wake = asyncio.Event()

    def page(self, query: Mapping[str, str]) -> dict[str, Any] | None:
        """What a query asks for; None where there is no such recording. Errors: ValueError, of the query."""
        self._end_old()
        known = query.get("id", "")
        running = self._running.get(known) if known else self._begin(query)
        if running is None:
            return None
        running.read = self._now()
        if query.get("stop"):
            running.until = min(running.until, self._now())
            self._wake.set()
        return self._told(running, _number(query, "after", 0))

    def records(self, proxy: Proxy) -> bool:
        """Whether somebody looks at all that this proxy reports."""
        return any(self._means(running.what, proxy) for running in self._running.values())

    def take(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        """Entries of a proxy; those that nobody looks at are dropped."""
        names = self._names(proxy)
        for running in self._running.values():
            if running.what.namespace == proxy.namespace and running.what.name in names:
                for entry in entries:
                    running.keep(as_json(proxy, entry))
                running.dropped += dropped

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Nothing at first, then a Changed whenever one begins or ends; ends only when it is closed."""
        yield Replaced(self.name, ())
        known: set[Recording] = set()
        while True:
            self._wake.clear()
            self._end_old()
            wanted = {each.what for each in self._running.values() if each.on}
            upserts = tuple(Object(_ref(each), each, Origin(NAME)) for each in sorted(wanted - known, key=_key))
            gone = tuple(_ref(each) for each in sorted(known - wanted, key=_key))
            known = wanted
            if upserts or gone:
                yield Changed(self.name, upserts, gone)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._next_s())

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: nobody has written it."""
        return origin

    def _begin(self, query: Mapping[str, str]) -> _Running:
        namespace, slash, name = query.get("workload", "").partition("/")
        if not slash or not namespace or not name:
            raise ValueError("say which: ?workload=NAMESPACE/NAME&for=SECONDS")
        longest = int(LONGEST.total_seconds())
        seconds = _number(query, "for", longest)
        if not 0 < seconds <= longest:
            raise ValueError(f"for must be a number of seconds, 1 to {longest}, is {query.get('for')!r}")
        if len(self._running) >= MOST:
            raise ValueError(f"there are {MOST} recordings already; wait until one of them is over")
        now = self._now()
        running = _Running(token_hex(8), Recording(namespace, name), now + seconds, now)
        self._running[running.id] = running
        self._wake.set()
        return running

    def _told(self, running: _Running, after: int) -> dict[str, Any]:
        first = running.number - len(running.entries)  # the number of the oldest that is kept
        skip = max(0, after - first)
        entries = list(running.entries)[skip : skip + _AT_ONCE]
        following = max(first, min(after, running.number)) + len(entries)
        proxies = [each for each in self._proxies() if self._means(running.what, each)]
        return {
            "id": running.id,
            "workload": f"{running.what.namespace}/{running.what.name}",
            "proxies": sorted({f"{each.namespace}/{each.name}" for each in proxies}),
            "entries": entries,
            "next": following,
            "lost": running.dropped + max(0, first - after),
            "over": self._now() > running.until + _LATE_S and following == running.number,
        }

    def _end_old(self) -> None:
        now = self._now()
        lease = LEASE.total_seconds()
        for running in list(self._running.values()):
            running.on = now < min(running.until, running.read + lease)
            if now >= max(running.until + _LATE_S, running.read) + lease or now >= running.read + lease:
                del self._running[running.id]

    def _next_s(self) -> float | None:
        lease = LEASE.total_seconds()
        times = [min(each.until, each.read + lease) for each in self._running.values() if each.on]
        times += [each.read + lease for each in self._running.values()]
        return max(0.05, min(times) - self._now()) if times else None

    def _means(self, what: Recording, proxy: Proxy) -> bool:
        return what.namespace == proxy.namespace and what.name in self._names(proxy)

    def _names(self, proxy: Proxy) -> tuple[str, ...]:
        rows = self._snapshot().rows(Table.WORKLOAD, (proxy.namespace, proxy.name))
        return known_as(proxy.name, rows[0] if rows else None)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError(f"{name} must be a whole number, is {text!r}")
    return int(text)


def _key(what: Recording) -> tuple[str, str]:
    return (what.namespace, what.name)


def _ref(what: Recording) -> ObjectRef:
    return ObjectRef(GROUP, KIND, what.namespace, what.name)
