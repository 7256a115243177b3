"""One type on one stream: what is asked for, held and answered. Common to both protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum

from xds.server.absent import placeholder
from xds.server.batch import Batch
from xds.server.doubt import Doubt
from xds.server.held import UNKNOWN, Held
from xds.server.names import NONE, Names
from xds.server.rejections import Rejection, Rejections
from xds.wire.resource import Layers, Resource, find


class Instead(Enum):
    """What a client is told of a name instead of being sent a resource."""

    KEEP = "nothing: it keeps what it holds"
    REMOVE = "that it is removed, or does not exist"
    DENY = "that it does not exist, as an alias without a body"
    WITHHOLD = "that it is removed, but later"


class Subscription:
    """What a stream asked for of one type, was sent and has acknowledged.

    ``due`` says that an answer is owed even if there is nothing to say; ``unsettled`` are names to look at again
    although the set does not change at them; ``withheld`` removals that wait for their turn, with the time since when;
    ``claimed`` what the client says it holds, until that was compared, and ``owed`` what must be sent to it none the
    less; ``again`` are names in use that are sent once more, even if they have just gone from the set; ``refused`` why
    names were rejected on this stream; ``since`` when it was last sent or answered something.
    """

    def __init__(self, type_url: str, names: Names, rejections: Rejections, window: int) -> None:
        self.type_url = type_url
        self.held = Held()
        self.doubt = Doubt(type_url)
        self.names = names
        self.rejections = rejections
        self.window = window
        self.due = False
        self.unanswered = 0
        self.unsettled: set[str] = set()
        self.withheld: dict[str, float] = {}
        self.claimed: Mapping[str, str] | None = None
        self.owed: frozenset[str] = NONE
        self.again: frozenset[str] = NONE
        self.ever_sent = False
        self.since = 0.0
        self.refused: dict[str, Rejection] = {}

    def pending(self, target: Layers, *, held_back: bool = False) -> bool:
        """Whether there may be something to send; ``held_back``: only answers to what was asked."""
        if self.due or self.held.fresh or self.doubt.waiting:
            return True
        if held_back:
            return False
        if self.claimed is not None or self.unsettled:
            return True
        return self.held.base is not target and self.held.base != target

    @property
    def by_alias(self) -> bool:
        """Whether names that were asked for are answered one by one, as aliases of what is sent."""
        return False

    def settled(self, target: Layers) -> bool:
        """Whether the client has answered everything and nothing is to be sent, removals in waiting apart."""
        return not self.unanswered and not self.pending(target)

    def given_up(self, unwanted: Iterable[str]) -> frozenset[str]:
        """Those of the names that the client subscribes to no more, which need no answer."""
        return frozenset(unwanted)

    def prepare(self, target: Layers, *, held_back: bool) -> tuple[str, ...]:
        """Names to be called removed in the next response besides all else."""
        return ()

    def ask(self, names: frozenset[str]) -> None:
        """Answer ``names`` (again), whatever the client holds of them."""
        self.drop(names)
        self.held.fresh = self.names.same(self.held.fresh | names if self.held.fresh else names)

    def owe(self, names: frozenset[str]) -> None:
        """Send ``names`` again, even if the client is about to say that it has them."""
        if self.claimed is not None:
            self.owed |= names
        self.ask(names)
        self.again = self.names.same(self.again | names if self.again else names)

    def drop(self, names: Collection[str]) -> None:
        """Take no special note of ``names`` any more."""
        self.held.forget(names)
        if self.again:
            self.again = self.names.same(self.again.difference(names))
        if self.unsettled:
            self.unsettled.difference_update(names)
        if self.doubt.names:
            self.doubt.clear(names)
        for name in names if self.withheld else ():
            self.withheld.pop(name, None)

    def disclaim(self, forgotten: Callable[[str], bool]) -> None:
        """Do not hold the client to what it said of names that it has given up since, or asked for anew."""
        if self.claimed is not None:
            self.claimed = {name: version for name, version in self.claimed.items() if not forgotten(name)}

    def resume(self, target: Layers) -> None:
        """Take over what the client says it holds (``initial_resource_versions``), as deviations from ``target``."""
        claimed, self.claimed = self.claimed or {}, None
        held = self.held
        if not held.wildcard:
            claimed = {name: version for name, version in claimed.items() if name in held.names}
        held.fresh = self.names.same(held.fresh - (claimed.keys() - self.owed))
        held.base = target
        odd: set[tuple[str, str | None]] = set(claimed.items())
        for table in target:
            odd -= table.versions.items()
            if held.wildcard:
                odd.update((name, None) for name in table.versions.keys() - claimed.keys() if held.covers(name))
        self.owed = NONE
        for name, version in odd:
            held.holds(name, version)
            self.unsettled.add(name)

    def wanted(self, name: str, target: Layers) -> Resource | Instead:
        """What the client should hold of ``name``.

        Instead of a version that was rejected it is the last good one; where that is not known the client keeps its
        own.
        """
        resource = find(target, name)
        if resource is None and name in self.held.names:
            resource = placeholder(self.type_url, name)
            if resource is not None and self.rejections.of(resource):
                return Instead.REMOVE
        if resource is None:
            return Instead.REMOVE
        rejection = self.rejections.of(resource)
        if rejection is None:
            return resource
        last_good = rejection.last_good
        return Instead.KEEP if last_good is None or self.rejections.of(last_good) else last_good

    def negative(self, name: str) -> Instead:
        """How to say that ``name``, which was asked for, does not exist."""
        return Instead.REMOVE

    def accepted(self, batch: Batch) -> None:
        """The client has acknowledged ``batch``."""
        self.unanswered -= 1
        if self.refused or self.doubt.names:
            for resource in batch.resources:
                self.refused.pop(resource.name, None)
                if resource.name in self.doubt.names:  # what came since was left to this response
                    self.doubt.clear((resource.name,))
                    self.unsettled.add(resource.name)
            self.doubt.clear(batch.removed)

    def rejected(self, batch: Batch, reason: str, node_id: str) -> Rejection | None:
        """The client has refused ``batch``: what is known to be bad by that, if it was one resource alone.

        All of it, which may or may not be applied, is sent again in smaller responses.
        """
        self.unanswered -= 1
        if batch.size:
            self._unsure(batch.removed)
        self.doubt.clear(batch.removed)
        culprit = batch.single
        if culprit is None:
            self._unsure(resource.name for resource in batch.resources)
            self.doubt.raise_for(batch)
            return None
        if self.doubt.try_again(culprit):
            self._unsure((culprit.name,))
            return None
        return self.condemn(culprit, batch, reason, node_id)

    def _unsure(self, names: Iterable[str]) -> None:
        for name in names:
            if self.held.covers(name):
                self.held.deviations[name] = UNKNOWN
                self.unsettled.add(name)

    def condemn(self, culprit: Resource, batch: Batch, reason: str, node_id: str) -> Rejection:
        """Note that ``culprit`` is bad, and that the client holds what it held before ``batch``."""
        name = culprit.name
        before = self._resource_held(name, batch)
        last_good = None if culprit.same(before) else before
        rejection = Rejection(culprit, reason, node_id, last_good)
        self.refused[name] = rejection
        self.doubt.clear((name,))
        if self.held.version_of(name) == culprit.version:  # no newer one is on its way
            self.held.holds(name, batch.had)
            self.unsettled.add(name)
        self.rejections.add(rejection)  # which looks at who holds it: no more this one
        return rejection

    def _resource_held(self, name: str, batch: Batch) -> Resource | None:
        """The resource that the client held before ``batch``, as far as it is known here."""
        before = self.doubt.before.get(name) or find(batch.prior, name)
        if before is None:
            return None
        rejection = self.rejections.of(before)
        if rejection is not None:
            return rejection.last_good
        return before if batch.had in (UNKNOWN, before.version) else None
