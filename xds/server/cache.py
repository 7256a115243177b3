"""The sets that are served, by group of nodes, and the streams that want them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from xds.server.batch import Answer
from xds.server.builds import Builds, OfBuild
from xds.server.names import Names
from xds.server.node import Node, Peer
from xds.server.observer import Observer
from xds.server.push import Turnstile
from xds.server.rejections import Rejection, Rejections
from xds.server.settings import ServerSettings
from xds.server.status import State, StreamStatus, state_of, type_statuses
from xds.server.stream import Stream
from xds.wire.resource import Resource, ResourceSet


class Rejected(Exception):
    """Some of a set was refused; ``rejections`` says what and why."""

    def __init__(self, rejections: Iterable[Rejection]) -> None:
        self.rejections = tuple(rejections)
        super().__init__("; ".join(f"{each.resource!r}: {each.reason}" for each in self.rejections))


class Connection:
    """One open stream: its protocol state, and the event that wakes its writer."""

    __slots__ = ("group", "node", "opened", "peer", "queued", "stream", "wake")

    def __init__(self, node: Node, peer: Peer, group: Group, stream: Stream) -> None:
        self.node = node
        self.peer = peer
        self.group = group
        self.stream = stream
        self.opened = datetime.now(UTC)
        self.wake = asyncio.Event()
        self.queued = False


class Group:
    """The nodes that are served one set: the set, their streams, and what any of them has refused."""

    def __init__(self, name: str, max_rejections: int) -> None:
        self.name = name
        self.resources: ResourceSet | None = None
        self.set_at = 0.0  # when it became these, by the monotonic clock
        self.rejections = Rejections(max_rejections)
        self.connections: dict[Connection, None] = {}
        self._changed: float | None = None  # when the oldest change was told that some stream has not answered for
        self._open: set[Connection] | None = None  # not settled yet; None when nobody wants to know
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def offered(self, since: float) -> None:
        """The set is another, after a change told at ``since``: all streams are to be brought to it."""
        if self._open is not None:
            self._open = set(self.connections)
        if self.connections and self._changed is None:
            self._changed = since

    def converged(self) -> float | None:
        """When the change was told for which all streams have now answered, once; None while none is."""
        changed = self._changed
        if changed is None or not all(map(self._settled, self.connections)):
            return None
        self._changed = None
        return changed if self.connections else None

    def check(self, connection: Connection) -> None:
        """Something has happened on a stream, or it has come or gone: those who wait may go on."""
        if self._open is None:
            return
        if connection not in self.connections or self._settled(connection):
            self._open.discard(connection)
        else:
            self._open.add(connection)
        self._release()

    async def settled(self, streams: int) -> None:
        """Return when at least so many streams are there and all have answered for the current set."""
        waiter = (streams, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._open = {each for each in self.connections if not self._settled(each)}
        try:
            self._release()
            await waiter[1]
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if not self._waiters:
                self._open = None

    def _settled(self, connection: Connection) -> bool:
        return connection.stream.target is self.resources and connection.stream.settled()

    def _release(self) -> None:
        if self._open:
            return
        for streams, future in self._waiters:
            if len(self.connections) >= streams and not future.done():
                future.set_result(None)


class SnapshotCache:
    """Sets of resources by group; the streams of a group's nodes are sent what changes, at once, and only the latest.

    ``group_of`` tells the group that a node belongs to where the server's ``admit`` does not: its id, unless given.
    ``on_demand`` is told the group and the names of virtual hosts that a client asks for one by one (VHDS), or has of
    an earlier server: the set may be given them then (``ServerSettings.on_demand_wait_s``). Virtual hosts that are sent
    to who has everything have names with a port. All methods are called in the event loop that serves.
    """

    def __init__(
        self,
        group_of: Callable[[Node], str] = lambda node: node.id,
        *,
        observer: Observer | None = None,
        settings: ServerSettings | None = None,
        on_demand: Callable[[str, frozenset[str]], None] | None = None,
    ) -> None:
        self.group_of = group_of
        self.observers = [] if observer is None else [observer]
        self.on_demand = on_demand
        self.settings = settings or ServerSettings()
        self.names = Names()
        self.turnstile = Turnstile(self.settings.slice_streams)
        self._groups: dict[str, Group] = {}
        self.builds = Builds(self.settings.max_rejections, self._taken)
        self.owner_of: Callable[[str], str] = str
        """Whose proxies a group has: those of one owner are believed as one when they refuse something."""

    def set(self, group: str, resources: ResourceSet | Iterable[Resource], *, since: float | None = None) -> None:
        """Serve ``resources``, which are complete, to the nodes of ``group``.

        ``since`` is when the change was told that leads to them, by ``time.monotonic``; now, unless given.
        Cost: nothing but a mark on each stream; what to send is found when the stream can be written.
        """
        each = self.group(group)
        each.resources = resources if isinstance(resources, ResourceSet) else ResourceSet.single(resources)
        each.set_at = time.monotonic()
        each.offered(each.set_at if since is None else since)
        for connection in each.connections:
            self.turnstile.enter(connection)

    def get(self, group: str) -> ResourceSet | None:
        """What is served to ``group``; None when nothing was set."""
        found = self._groups.get(group)
        return None if found is None else found.resources

    def remove(self, group: str) -> None:
        """Forget the set of ``group``; connected nodes keep what they have, and get nothing more."""
        found = self._groups.get(group)
        if found is not None:
            found.resources = None
            self._tidy(found)

    async def acked(self, group: str, *, streams: int = 1) -> None:
        """Return when all streams of ``group``, and at least so many, have acknowledged the current set.

        Errors: Rejected when they have answered, and some of it was refused. No time limit: see asyncio.timeout.
        """
        each = self.group(group)
        await each.settled(streams)
        served = each.resources or ResourceSet({})
        known = [*each.rejections, *[r for c in each.connections for r in c.stream.rejections.own]]
        refused = [r for r in known if r.resource.same(served.get(r.resource.type_url, r.resource.name))]
        if refused:
            raise Rejected(refused)

    def statuses(self) -> list[StreamStatus]:
        """One status a stream, by node id."""
        now, clock = time.monotonic(), datetime.now(UTC)
        found = [
            StreamStatus(each.node, each.peer, group.name, each.opened, type_statuses(each.stream, now, clock))
            for group in self._groups.values()
            for each in group.connections
        ]
        return sorted(found, key=lambda status: (status.node.id, status.since))

    def states(self, type_url: str) -> Iterator[tuple[str, datetime, State]]:
        """Of each stream the group, since when it is there, and how it stands with one type; in no order.

        What is served and the stream has not been brought to yet counts as sent and unanswered. Streams that come while
        this is gone through are left out.
        """
        for each in [connection for group in self._groups.values() for connection in group.connections]:
            state = state_of(each.stream, type_url)
            behind = state is State.SYNCED and each.stream.target is not each.group.resources
            yield each.group.name, each.opened, State.STALE if behind else state

    def connected(self) -> list[str]:
        """The groups that have streams."""
        return [name for name, group in self._groups.items() if group.connections]

    def groups(self) -> list[Group]:
        """The groups that have streams, themselves."""
        return [group for group in self._groups.values() if group.connections]

    def group(self, name: str) -> Group:
        """The group of that name, made if need be."""
        found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = Group(name, self.settings.max_rejections)
        return found

    def rejections(self, group: Group, who: Node) -> Rejections:
        """What is not sent to a client of a group: what was refused by the group, or by clients of the same build."""

        def told(rejection: Rejection) -> None:
            self.builds.refused(who.version, self.owner_of(group.name), rejection)

        return OfBuild(self.settings.max_rejections, group.rejections, self.builds.of(who.version), told)

    def _taken(self, build: str, resource: Resource) -> bool:
        for group in self._groups.values():
            for each in group.connections:
                sub = each.stream.subscriptions.get(resource.type_url) if each.node.version == build else None
                if sub is None or sub.unanswered or resource.name in sub.doubt.names:
                    continue
                if sub.held.covers(resource.name) and sub.held.version_of(resource.name) == resource.version:
                    return True
        return False

    def connect(self, connection: Connection) -> None:
        """Serve a stream from now on."""
        connection.group.connections[connection] = None
        connection.group.check(connection)

    def disconnect(self, connection: Connection) -> None:
        """Forget a stream that has ended."""
        connection.group.connections.pop(connection, None)
        self.check(connection)
        if not connection.group.connections:
            for each in self.observers:
                each.on_gone(connection.group.name)
        self._tidy(connection.group)

    def answered(self, connection: Connection, answer: Answer) -> None:
        """Tell who wants to know that a proxy has answered; what it has taken is no longer held against its build."""
        if not answer.rejected:
            for resource in self.builds.accepted(connection.node.version, answer.batch.resources):
                self._offer_again(connection.node.version, resource)
        for each in self.observers:
            tell = each.on_nack if answer.rejected else each.on_ack
            tell(connection.node, answer)

    def sent(self, connection: Connection, type_url: str, size_bytes: int) -> None:
        """Tell who wants to know that a proxy was sent a response."""
        for each in self.observers:
            each.on_sent(connection.node, type_url, size_bytes)

    def written(self, connection: Connection, type_url: str, size_bytes: int, seconds: tuple[float, float]) -> None:
        """Tell who wants to know how long a response took to be made, and to be written."""
        for each in self.observers:
            each.on_written(connection.group.name, type_url, size_bytes, seconds)

    def offer(self, connection: Connection) -> None:
        """Bring a stream to the set of its group."""
        group, stream = connection.group, connection.stream
        if group.resources is None:
            return
        if stream.target is not group.resources:
            waited = time.monotonic() - group.set_at
            for each in self.observers:
                each.on_queued(waited)
        stream.offer(group.resources)

    def check(self, connection: Connection) -> None:
        """Something has happened on a stream, or it has come or gone: those who wait may go on, and are told."""
        group = connection.group
        group.check(connection)
        if self.observers and (changed := group.converged()) is not None:
            took = time.monotonic() - changed
            for each in self.observers:
                each.on_converged(group.name, took)

    def _offer_again(self, build: str, resource: Resource) -> None:
        for group in self._groups.values():
            for each in group.connections:
                sub = each.stream.subscriptions.get(resource.type_url) if each.node.version == build else None
                if sub is not None and sub.held.covers(resource.name):
                    sub.unsettled.add(resource.name)
                    self.turnstile.enter(each)
                    self.check(each)

    def _tidy(self, group: Group) -> None:
        if group.resources is None and not group.connections and self._groups.get(group.name) is group:
            del self._groups[group.name]
