"""Virtual hosts one by one (VHDS): which of them a stream gets follows from the route configurations it was sent.

Envoy never says so: its one VHDS request has no names, and none is made for a second route configuration, nor for one
that it subscribes to again and has forgotten the virtual hosts of (envoy-facts 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from xds.server.held import Held
from xds.server.names import NONE, Names
from xds.server.rejections import Rejections
from xds.server.subscription import Instead, Subscription
from xds.wire.difference import Difference
from xds.wire.resource import Layers, Resource, find
from xds.wire.type_urls import VIRTUAL_HOST


class HeldHosts(Held):
    """The virtual hosts ``<scope>/<name>`` of some scopes; of all where ``scopes`` is None."""

    __slots__ = ("scopes",)

    def __init__(self) -> None:
        super().__init__()
        self.scopes: frozenset[str] | None = None

    def covers(self, name: str) -> bool:
        """Whether the client has the route configuration of ``name``, or asked for it on demand."""
        if name in self.names:
            return True
        return self.wildcard and (self.scopes is None or name.rpartition("/")[0] in self.scopes)

    def concerned(self, part: Difference) -> Difference:
        """The part of a difference under the client's scopes."""
        if not self.wildcard:
            return part.within(self.names)
        return part if self.scopes is None else part.under(self.scopes)


class VirtualHosts(Subscription):
    """The virtual hosts of one stream; ``fresh_scopes`` are the route configurations that it has just been sent."""

    def __init__(self, names: Names, rejections: Rejections, window: int, patience_s: float = 0.0) -> None:
        super().__init__(VIRTUAL_HOST, names, rejections, window)
        self.held: HeldHosts = HeldHosts()
        self.fresh_scopes: frozenset[str] = NONE
        self._unsure_of: set[str] = set()
        self._patience_s = patience_s
        self.asked: frozenset[str] = NONE
        self.waiting: dict[str, float] = {}  # names asked for and not answered, and until when they may wait
        self._late: set[str] = set()
        self._expecting = False
        self.kept: set[str] = set()  # what has gone while something waits: it may be what is waited for

    def pending(self, target: Layers, *, held_back: bool = False) -> bool:
        """As for other types; a route configuration without virtual hosts waits for an answer too.

        What is asked for on demand is no use before its clusters are.
        """
        if held_back and self._patience_s and not (self.due or self.doubt.waiting):
            return bool(self.fresh_scopes)
        return bool(self.fresh_scopes) or super().pending(target, held_back=held_back)

    @property
    def by_alias(self) -> bool:
        """Whether names that were asked for are answered one by one, as aliases of what is sent."""
        return bool(self.held.fresh) and not self.held.fresh.isdisjoint(self.held.names)

    def wait_for(self, names: Iterable[str], now: float) -> None:
        """The client asks for names on demand: each is to be answered, be it that it does not exist."""
        wanted = frozenset(name for name in names if name != "*")
        self.asked |= wanted
        if self._patience_s:
            for name in wanted:
                self.waiting.setdefault(name, now + self._patience_s)
            self._expecting = bool(self.waiting)

    def given_up(self, unwanted: Iterable[str]) -> frozenset[str]:
        """Those of the names that nothing waits for: Envoy gives up all of a route configuration that it takes in with
        another source (``vhds``), but not the requests that wait for one of them.
        """
        return frozenset(unwanted).difference(self.waiting, self.held.fresh)

    def returned(self, target: Layers, now: float, most: int) -> None:
        """The client has come from an earlier server: what that sent it unasked, and the set has not, is wanted too."""
        if self._patience_s and not _everything(target):
            lacking = (
                name
                for name in self.claimed or ()
                if not _with_port(name) and name not in self.held.names and find(target, name) is None
            )
            self.wait_for(islice(lacking, most), now)

    def look_again(self, target: Layers, now: float) -> None:
        """Have those names answered that wait and exist now, or have waited for long enough."""
        ready = {name for name in self.waiting if _called(name, target) is not None}
        # A set of everything will not have them, and has what they mean: nothing may stay beside it.
        whole = _everything(target)
        late = {name for name, until in self.waiting.items() if whole or until <= now} - ready
        ready |= late
        for name in ready - self.held.names:  # the client asks for no answer
            del self.waiting[name]
        self._late |= late & self.held.names
        if answers := self.held.names & ready:
            self.ask(self.names.same(answers))
        self._expecting = bool(self.waiting.keys() - ready)
        if not self._expecting:
            self.unsettled |= self.kept
            self.kept.clear()

    def give_up_at(self) -> float | None:
        """When a name that waits is to be answered whatever happens; None where none waits, or its answer is due."""
        return min((until for name, until in self.waiting.items() if name not in self.held.fresh), default=None)

    def wanted(self, name: str, target: Layers) -> Resource | Instead:
        """What the client should hold of a name; the virtual host of that name without a port, where it has one."""
        found = super().wanted(name, target)
        if isinstance(found, Resource):
            self.waiting.pop(name, None)
        elif found is Instead.REMOVE and self._expecting and name not in self._late and not _with_port(name):
            self.kept.add(name)
            return Instead.KEEP
        if found is not Instead.REMOVE or name not in self.held.names:
            return found
        resource = _called(name, target)
        if resource is None or resource.name == name:
            return found
        self.waiting.pop(name, None)
        return super().wanted(resource.name, target)

    def prepare(self, target: Layers, *, held_back: bool) -> tuple[str, ...]:
        """Have all virtual hosts of fresh scopes sent; a name that never was ends the wait for those that have none."""
        scopes, self.fresh_scopes = self.fresh_scopes, NONE
        held = self.held
        if not scopes or not held.wildcard:
            return ()
        parts = [part for table in target if (part := table.everything.under(scopes))]
        nothing_else = held.scopes is not None and held.scopes <= scopes and not held.names
        if nothing_else and not held_back:
            held.base = ()
            self.drop(tuple(held.deviations))
        else:
            self.ask(self.names.same(frozenset[str]().union(*[part.names for part in parts])))
        known = frozenset[str]().union(*[part.scopes for part in parts])
        return tuple(f"{scope}/none" for scope in sorted(scopes - known))

    def negative(self, name: str) -> Instead:
        """An alias without a body: anything else leaves the request that asked for it hanging."""
        if name not in self.held.names:
            return Instead.REMOVE
        if name in self.waiting and name not in self._late:
            return Instead.KEEP
        self._late.discard(name)
        self.waiting.pop(name, None)
        return Instead.DENY

    def routes_wanted(self) -> None:
        """The stream asks for route configurations: from now on only their virtual hosts concern it."""
        if self.held.scopes is None:
            self.held.scopes = NONE

    def begin(self) -> None:
        """The client asks for virtual hosts for the first time."""
        if self.claimed is None and self.held.scopes is not None:
            self.fresh_scopes = self.held.scopes

    def routes_held(self, names: frozenset[str]) -> None:
        """The client brought these route configurations along, their virtual hosts with them."""
        self.held.scopes = self.names.same((self.held.scopes or NONE) | names)

    def routes_sent(self, with_vhds: frozenset[str], without: frozenset[str]) -> None:
        """The client was sent these route configurations: those new to it get all their virtual hosts after it."""
        scopes = self.held.scopes or NONE
        anew = (with_vhds - scopes) | (with_vhds & self._unsure_of)
        self._unsure_of -= with_vhds
        self.held.scopes = self.names.same((scopes | with_vhds) - without)
        self.fresh_scopes = self.names.same(self.fresh_scopes | anew)

    def routes_unsure(self, names: Iterable[str]) -> None:
        """The client asked for these route configurations anew, or refused them: what it has of them is not known."""
        self._unsure_of.update(names)

    def routes_dropped(self, names: frozenset[str]) -> None:
        """The client no longer asks for these route configurations, and forgets their virtual hosts."""
        self.held.scopes = self.names.same((self.held.scopes or NONE) - names)
        self.fresh_scopes = self.names.same(self.fresh_scopes - names)
        self._unsure_of -= names
        self.drop([name for name in self.held.deviations if name.rpartition("/")[0] in names])
        self.disclaim(lambda name: name.rpartition("/")[0] in names)


def _with_port(name: str) -> bool:
    return name.rpartition(":")[2].isdigit()


def _everything(target: Layers) -> bool:
    """Whether a set has all virtual hosts there are: those have a port in their names, what was asked for has not."""
    return any(_with_port(name) for table in target for name in table)


def _called(name: str, target: Layers) -> Resource | None:
    """The virtual host that a client means who asks for ``SCOPE/HOST`` or ``SCOPE/HOST:PORT``."""
    found = find(target, name)
    if found is None:
        host, colon, port = name.rpartition(":")
        found = find(target, host) if colon and port.isdigit() else None
    return found
