"""`Live n of m` of every authored object: how many proxies have acknowledged all that was made from it.

The tables of resources are shared between proxies: which objects are behind one is found once a table. What a proxy
lacks is the difference between the tables that its stream was brought to and those that it should have, which is
shared too. So a round costs the tables that are new, and a little for each proxy; never proxies times resources.
"""

from __future__ import annotations

import weakref
from typing import Final

from xds.controllers.live_count import MOST_REJECTIONS, LiveCount, RejectedBy
from xds.model.refs import ObjectRef
from xds.object_sets import Numbers, Tally
from xds.server import SnapshotCache
from xds.server.cache import Connection, Group
from xds.server.node import Node
from xds.server.rejections import Rejection
from xds.server.stream import Stream
from xds.server.subscription import Subscription
from xds.slices import Slices, in_slices
from xds.wire.difference import Difference
from xds.wire.resource import Layers, Resource, ResourceSet, Table, find, steps
from xds.wire.type_urls import CLUSTER, LISTENER

_RESOURCES_A_SLICE: Final = 256
# Envoy asks for these by itself, and for the rest when it has them: before that nothing is in use.
_FIRST: Final = (CLUSTER, LISTENER)
# Objects that are gone keep their numbers; when they are more than the others, all are numbered anew.
_NUMBERS_TO_SPARE: Final = 1000


class Live:
    """The counts of the proxies that ``cache`` serves."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache
        self._numbers = Numbers()
        self._authors: weakref.WeakKeyDictionary[Table, int] = weakref.WeakKeyDictionary()

    async def counts(self) -> dict[ObjectRef, LiveCount]:
        """The counts of all objects that any proxy has something of. Gives way to others; for one caller at a time."""
        return await in_slices(self.round())

    def of(self, ref: ObjectRef, most: int) -> Slices[tuple[LiveCount, list[str]]]:
        """One object's count, and at most so many proxies that lack some of it, ``pod.namespace``, sorted; in slices.

        Cost: that of the proxies, however many objects there are. For one caller at a time.
        """
        lag, one, names = _Lag(self._numbers), self._numbers.set_of([ref]), set[str]()
        everything = live = total = 0
        for group in self._cache.groups():
            target = yield from self._indexed(group)
            objects = self._behind_all_of(target) if target is not None else 0
            everything |= objects
            if target is not None and one & objects:
                total += 1
                if one & lag.of(group, target, one):
                    names.update(_label(connection.node) for connection in group.connections)
                else:
                    live += 1
            yield
        self._tidy(everything.bit_count())
        return LiveCount(live, total, tuple(sorted(lag.rejections.get(ref, ())))), sorted(names)[:most]

    def round(self) -> Slices[dict[ObjectRef, LiveCount]]:
        """The counts, in slices."""
        total, lagging = Tally(), Tally()
        lag = _Lag(self._numbers)
        for group in self._cache.groups():
            target = yield from self._indexed(group)
            if target is not None:  # from here to the next yield nothing else runs
                objects = self._behind_all_of(target)
                total.add(objects)
                lagging.add(objects & lag.of(group, target, objects))
            yield
        totals, laggards = (yield from total.counts()), (yield from lagging.counts())
        found: dict[ObjectRef, LiveCount] = {}
        for number, count in totals.items():
            ref = self._numbers.object(number)
            rejections = tuple(sorted(lag.rejections.get(ref, ())))
            found[ref] = LiveCount(count - laggards.get(number, 0), count, rejections)
            if number % _RESOURCES_A_SLICE == 0:
                yield
        self._tidy(len(found))
        return found

    def _indexed(self, group: Group) -> Slices[ResourceSet | None]:
        """What a group is served, when the objects behind all of its tables are known."""
        while (target := group.resources) is not None and group.connections:
            unknown = [each for layers in target.layers.values() for each in layers if each not in self._authors]
            if not unknown:
                return target
            for table in unknown:
                yield from self._index(table)
        return None

    def _index(self, table: Table) -> Slices[None]:
        found = 0
        for count, resource in enumerate(table.values()):
            found |= self._numbers.set_of(resource.provenance)
            if count % _RESOURCES_A_SLICE == 0:
                yield
        self._authors[table] = found

    def _behind_all_of(self, target: ResourceSet) -> int:
        found = 0
        for layers in target.layers.values():
            for table in layers:
                found |= self._authors[table]
        return found

    def _tidy(self, in_use: int) -> None:
        if len(self._numbers) > 2 * in_use + _NUMBERS_TO_SPARE:
            self._numbers = Numbers()
            self._authors.clear()


class _Lag:
    """The objects that proxies are behind with, in one round; ``rejections`` by object are gathered on the way."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.rejections: dict[ObjectRef, list[RejectedBy]] = {}
        # The values hold what is behind the ids, so that nothing else can have them before the round ends.
        self._steps: dict[tuple[Layers, Layers], tuple[Difference, ...]] = {}
        self._sets: dict[tuple[int, Table], tuple[frozenset[str], int]] = {}

    def of(self, group: Group, target: ResourceSet, objects: int) -> int:
        """The objects of which the proxy that is served ``group`` does not have everything; ``objects`` are all."""
        current: dict[str, tuple[Connection, Subscription]] = {}
        for connection in group.connections:  # a stream that has come later is the one that counts
            current.update({url: (connection, sub) for url, sub in connection.stream.subscriptions.items()})
        if any(url not in current and any(target.of(url)) for url in _FIRST):
            return objects
        found = 0
        for url, (connection, sub) in current.items():
            layers = target.of(url)
            if layers:
                found |= self._lacking(connection.stream, sub, layers)
                found |= self._refused(connection.node, sub, layers)
        return found

    def _lacking(self, stream: Stream, sub: Subscription, target: Layers) -> int:
        """The objects behind what one type lacks: not sent, not answered, or known to be held in another version."""
        held, found = sub.held, 0
        for part in () if held.base is target else self._between(held.base, target):
            missing = held.concerned(part).names
            known = held.deviations.keys() & missing
            found |= self._behind(missing - known if known else missing, target)
        for name, version in held.deviations.items():
            resource = find(target, name) if held.covers(name) else None
            if resource is not None and version != resource.version:
                found |= self._numbers.set_of(resource.provenance)
        if held.fresh:
            found |= self._behind(held.fresh, target)
        if sub.unanswered:
            for batch in stream.unanswered(sub):
                for part in batch.parts if batch.changes is None else batch.changes:
                    found |= self._behind(held.concerned(part).names, target)
        return found

    def _refused(self, node: Node, sub: Subscription, target: Layers) -> int:
        found = 0
        for name, rejection in sub.refused.items():
            resource = find(target, name) if sub.held.covers(name) else None
            if resource is not None and rejection.resource.same(resource):
                found |= self._numbers.set_of(resource.provenance)
                self._note(node, resource, rejection)
        return found

    def _note(self, node: Node, resource: Resource, rejection: Rejection) -> None:
        by = RejectedBy(_label(node), rejection.reason, resource.name)
        for ref in resource.provenance:
            known = self.rejections.setdefault(ref, [])
            if len(known) < MOST_REJECTIONS and by not in known:
                known.append(by)

    def _between(self, old: Layers, new: Layers) -> tuple[Difference, ...]:
        known = self._steps.get((old, new))
        if known is None:
            known = self._steps[old, new] = steps(old, new)
        return known

    def _behind(self, names: frozenset[str], target: Layers) -> int:
        """The objects behind the resources of these names, as far as there are any."""
        found = 0
        for table in target if names else ():
            key = (id(names), table)
            known = self._sets.get(key)
            if known is None:
                known = self._sets[key] = (names, self._authors_of(names, table))
            found |= known[1]
        return found

    def _authors_of(self, names: frozenset[str], table: Table) -> int:
        found, both = 0, names & table.keys() if len(names) <= len(table) else table.keys() & names
        for name in both:
            found |= self._numbers.set_of(table[name].provenance)
        return found


def _label(node: Node) -> str:
    name, namespace = node.metadata.get("NAME") or node.id, node.metadata.get("NAMESPACE")
    return f"{name}.{namespace}" if namespace else str(name)
