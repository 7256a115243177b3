"""What workloads ask for on demand, as a source: each workload's demand is an object, which grows as it asks.

What none of a workload's proxies has used for ``expiry`` is taken from them, if all of them count what they use. What
is learned is sent up front to proxies that come later, for as long as ``keep`` says, and to no more workloads than
``MOST_WORKLOADS``.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.model.object import Object
from xds.model.on_demand import Asked, AskedBy, Demand, asked
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import Changed, Replaced, Transaction

NAME: Final = "on-demand"
GROUP: Final = "demand.plait"
KIND: Final = "Demand"
MOST_HOSTS: Final = 500
"""Hosts of one workload: clients' headers choose them. Beyond, its sidecars are sent everything, as without this."""

MOST_WORKLOADS: Final = 5_000
KEEP: Final = timedelta(days=1)


@dataclass(slots=True)
class _Learned:
    hosts: dict[Asked, float] = field(default_factory=dict)  # and when it was asked for or used last, in seconds
    proxies: int = 0
    counting: int = 0  # of the proxies, how many say what they use
    turns: dict[int, int] = field(default_factory=dict)  # by port, how often something has expired


class Demands:
    """What workloads have asked for, and the source that says so. All in one event loop. ``expiry`` 0: never."""

    name = NAME

    def __init__(
        self,
        *,
        keep: timedelta = KEEP,
        expiry: timedelta = timedelta(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep_s = keep.total_seconds()
        self._expiry_s = expiry.total_seconds()
        self._now = now
        self._learned: OrderedDict[AskedBy, _Learned] = OrderedDict()
        self._changed: set[AskedBy] = set()
        self._wake = asyncio.Event()

    def asked(self, by: AskedBy, names: Iterable[str]) -> None:
        """A proxy of ``by`` asks for these names, ``PORT/HOST`` each."""
        learned = self._learned.setdefault(by, _Learned())
        self._learned.move_to_end(by)
        for name in names:
            host = asked(name)
            if host is None or (len(learned.hosts) > MOST_HOSTS and host not in learned.hosts):
                continue
            if host not in learned.hosts:
                self._note(by)
            learned.hosts[host] = self._now()
        self._forget()

    def came(self, by: AskedBy) -> None:
        """A proxy of ``by`` is there. What nobody has asked for in a long time is not sent to the first one."""
        learned = self._learned.setdefault(by, _Learned())
        self._learned.move_to_end(by)
        if not learned.proxies:
            old = [host for host, at in learned.hosts.items() if at < self._now() - self._keep_s]
            for host in old:
                del learned.hosts[host]
            if old:
                self._note(by)
        learned.proxies += 1
        self._forget()

    def left(self, by: AskedBy) -> None:
        """A proxy of ``by`` has gone."""
        learned = self._learned.get(by)
        if learned is not None:
            learned.proxies = max(0, learned.proxies - 1)

    @property
    def expire(self) -> bool:
        """Whether what nobody uses is taken away."""
        return bool(self._expiry_s)

    def any_of(self, by: AskedBy) -> bool:
        """Whether ``by`` has asked for anything."""
        learned = self._learned.get(by)
        return learned is not None and bool(learned.hosts)

    def counted(self, by: AskedBy) -> None:
        """A proxy of ``by`` counts from now on what it uses: what it has used before is not known."""
        learned = self._learned.get(by)
        if learned is not None:
            learned.counting += 1
            learned.hosts = dict.fromkeys(learned.hosts, self._now())

    def used(self, by: AskedBy, names: Iterable[str]) -> None:
        """A proxy of ``by`` has used these names lately, ``PORT/HOST`` each. What nobody has used expires."""
        learned = self._learned.get(by)
        if learned is None:
            return
        for name in names:
            host = asked(name)
            if host in learned.hosts:
                learned.hosts[host] = self._now()
        self._expire(by, learned)

    def uncounted(self, by: AskedBy) -> None:
        """A proxy of ``by`` counts no more."""
        learned = self._learned.get(by)
        if learned is not None:
            learned.counting = max(0, learned.counting - 1)

    def _expire(self, by: AskedBy, learned: _Learned) -> None:
        everything = len(learned.hosts) > MOST_HOSTS  # then the proxies do not hold what was asked for
        if not self._expiry_s or everything or learned.counting < learned.proxies:
            return
        old = [host for host, at in learned.hosts.items() if at < self._now() - self._expiry_s]
        for host in old:
            del learned.hosts[host]
        for port in sorted({host.port for host in old}):
            learned.turns[port] = learned.turns.pop(port, 0) + 1
        while len(learned.turns) > MOST_HOSTS:  # another turn than before is all that counts
            del learned.turns[next(iter(learned.turns))]
        if old:
            self._note(by)

    def _forget(self) -> None:
        idle = (by for by, learned in self._learned.items() if not learned.proxies)
        while len(self._learned) > MOST_WORKLOADS and (oldest := next(idle, None)) is not None:
            del self._learned[oldest]
            self._note(oldest)
            idle = (by for by, learned in self._learned.items() if not learned.proxies)

    def _note(self, by: AskedBy) -> None:
        self._changed.add(by)
        self._wake.set()

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Nothing at first, then one Changed whenever something was asked for; ends only when it is closed."""
        yield Replaced(self.name, ())
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = sorted(self._changed), set()
            known = [(by, self._learned[by]) for by in changed if by in self._learned]
            upserts = tuple(Object(_ref(by), _demand(by, learned), Origin(NAME)) for by, learned in known)
            yield Changed(self.name, upserts, tuple(_ref(by) for by in changed if by not in self._learned))

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: nobody has written it."""
        return origin


def _demand(by: AskedBy, learned: _Learned) -> Demand:
    if len(learned.hosts) > MOST_HOSTS:
        return Demand(by, all=True)
    return Demand(by, tuple(sorted(learned.hosts)), turns=tuple(sorted(learned.turns.items())))


def _ref(by: AskedBy) -> ObjectRef:
    return ObjectRef(GROUP, KIND, by.namespace, f"{by.account}/{by.name}")
