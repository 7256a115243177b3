"""`Live n of m` over real streams: equal to a naive count whatever has happened, and cheap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.objects import written
from tests.protocol.clients import DeltaClient, SotwClient, endpoints, plain
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.generations.served import Generations
from xds.model.refs import ObjectRef
from xds.object_sets import Numbers, Tally
from xds.proxies.live import Live
from xds.server.cache import Connection, SnapshotCache
from xds.server.delta import DeltaStream
from xds.server.node import Node, Peer
from xds.server.sotw import SotwStream
from xds.slices import at_once
from xds.sources.changes import Changed, Replaced
from xds.sources.store import ObjectStore
from xds.wire.resource import Layers, Resource, ResourceSet, Table, find
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
NAMES = ("a", "b", "c", "d")
OBJECTS = [ObjectRef("networking.istio.io", "VirtualService", "shop", name) for name in ("v", "w", "x")]


POLICY = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: shop}
spec: {hosts: [a], http: [{timeout: 2s, route: [{destination: {host: a}}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {ports: [{port: 80}]}
"""


def authored(resource: Resource, *objects: ObjectRef) -> Resource:
    return Resource(resource.type_url, resource.name, resource.body, objects)


def connect(cache: SnapshotCache, name: str) -> DeltaClient:
    group = cache.group(name)
    stream = DeltaStream(name, cache.names, group.rejections, cache.settings)
    _connected(cache, name, stream)
    return DeltaClient(stream)


def connect_sotw(cache: SnapshotCache, name: str) -> SotwClient:
    group = cache.group(name)
    stream = SotwStream(name, cache.names, group.rejections, cache.settings)
    _connected(cache, name, stream)
    return SotwClient(stream)


def _connected(cache: SnapshotCache, name: str, stream: DeltaStream | SotwStream) -> None:
    group = cache.group(name)
    if group.resources is not None:
        stream.offer(group.resources)
    node = Node(name, metadata={"NAME": name, "NAMESPACE": "shop"})
    cache.connect(Connection(node, Peer("ipv4:10.0.0.1:1"), group, stream))


def ask(client: DeltaClient | SotwClient, names: Iterable[str] = ()) -> None:
    client.request(CLUSTER)
    client.request(LISTENER)
    for type_url in (ENDPOINT, ROUTE) if names else ():
        client.request(type_url, names)


def counts(cache: SnapshotCache) -> dict[ObjectRef, LiveCount]:
    live = Live(cache)
    found = at_once(live.round())
    assert {ref: at_once(live.of(ref, 0))[0] for ref in found} == found
    return found


def offer(cache: SnapshotCache, name: str, resources: ResourceSet, *clients: DeltaClient | SotwClient) -> None:
    cache.group(name).resources = resources  # as cache.set does, which needs a running loop to wake streams in
    for client in clients:
        client.stream.offer(resources)


def test_an_object_is_live_where_its_resources_are_acknowledged() -> None:
    cache, (v, w, _) = SnapshotCache(), OBJECTS
    shared = Table([authored(endpoints("a"), v), authored(endpoints("b"), v, w)])
    resources = ResourceSet({ENDPOINT: (shared,), CLUSTER: (Table([plain(CLUSTER, "a")]),)})
    one, other = connect(cache, "one"), connect_sotw(cache, "other")
    for name, client in (("one", one), ("other", other)):
        offer(cache, name, resources, client)
        ask(client, ["a", "b"])
    assert counts(cache) == {v: LiveCount(0, 2), w: LiveCount(0, 2)}
    one.settle()
    assert counts(cache) == {v: LiveCount(1, 2), w: LiveCount(1, 2)}
    other.settle()
    assert counts(cache) == {v: LiveCount(2, 2), w: LiveCount(2, 2)}
    changed = ResourceSet({**resources.layers, ENDPOINT: (shared.patched({"a": authored(endpoints("a", 1), v)}),)})
    offer(cache, "one", changed, one)
    assert counts(cache) == {v: LiveCount(1, 2), w: LiveCount(2, 2)}
    one.fetch()
    assert counts(cache)[v] == LiveCount(1, 2), "sent is not acknowledged"
    one.settle()
    assert counts(cache)[v] == LiveCount(2, 2)


def test_one_object_by_itself_with_who_lacks_it() -> None:
    cache, (v, w, _) = SnapshotCache(), OBJECTS
    table = Table([authored(endpoints("a"), v)])
    clients = {name: connect(cache, name) for name in ("c", "b", "a")}
    for name, client in clients.items():
        offer(cache, name, ResourceSet({ENDPOINT: (table,)}), client)
        ask(client, ["a"])
    live = Live(cache)
    assert at_once(live.of(v, 2)) == (LiveCount(0, 3), ["a.shop", "b.shop"])
    clients["b"].settle()
    assert at_once(live.of(v, 2)) == (LiveCount(1, 3), ["a.shop", "c.shop"])
    assert at_once(live.of(w, 2)) == (LiveCount(0, 0), [])


def test_what_nobody_asks_for_does_not_lag_and_what_is_refused_says_why() -> None:
    cache, (v, w, x) = SnapshotCache(), OBJECTS
    table = Table([authored(plain(ROUTE, "a"), v), authored(plain(ROUTE, "b"), w), authored(plain(ROUTE, "c"), x)])
    client = connect(cache, "web")
    client.refuses = lambda resource: resource.name == "b"
    offer(cache, "web", ResourceSet({ROUTE: (table,)}), client)
    client.request(ROUTE, ["a", "b"])
    client.settle()
    found = counts(cache)
    assert found[v] == found[x] == LiveCount(1, 1)
    assert (found[w].live, found[w].total) == (0, 1)
    assert [(each.proxy, each.resource) for each in found[w].rejections] == [("web.shop", "b")]
    assert isinstance(found[w].rejections[0], RejectedBy)
    assert found[w].rejections[0].reason


def test_what_was_just_asked_for_and_what_is_in_doubt_is_not_live() -> None:
    cache, (v, w, _) = SnapshotCache(), OBJECTS
    table = Table([authored(plain(ROUTE, "a"), v), authored(plain(ROUTE, "b"), w)])
    client = connect(cache, "web")
    offer(cache, "web", ResourceSet({ROUTE: (table,)}), client)
    client.request(ROUTE, ["a"])
    client.settle()
    client.request(ROUTE, ["b"])
    assert counts(cache) == {v: LiveCount(1, 1), w: LiveCount(0, 1)}
    client.settle()
    assert counts(cache)[w] == LiveCount(1, 1)
    client.refuses = lambda resource: resource.name == "b"
    newer = {"a": authored(plain(ROUTE, "a", 1), v), "b": authored(plain(ROUTE, "b", 1), w)}
    offer(cache, "web", ResourceSet({ROUTE: (table.patched(newer),)}), client)
    client.fetch()
    client.read()
    assert counts(cache) == {v: LiveCount(0, 1), w: LiveCount(0, 1)}, "a NACK does not say of which"
    client.settle()
    assert counts(cache)[v] == LiveCount(1, 1)
    assert counts(cache)[w].live == 0


def test_what_a_whole_response_says_again_was_acknowledged_before() -> None:
    cache, (v, w, _) = SnapshotCache(), OBJECTS
    table = Table([authored(plain(CLUSTER, "a"), v), authored(plain(CLUSTER, "b"), w)])
    client = connect_sotw(cache, "web")
    offer(cache, "web", ResourceSet({CLUSTER: (table,)}), client)
    client.request(CLUSTER)
    client.settle()
    changed = table.patched({"b": authored(plain(CLUSTER, "b", 1), w)})
    offer(cache, "web", ResourceSet({CLUSTER: (changed,)}), client)
    client.fetch()
    assert counts(cache) == {v: LiveCount(1, 1), w: LiveCount(0, 1)}


def test_a_proxy_that_has_not_asked_for_its_listeners_uses_nothing() -> None:
    cache, (v, _, _) = SnapshotCache(), OBJECTS
    tables = {LISTENER: (Table([plain(LISTENER, "l")]),), ROUTE: (Table([authored(plain(ROUTE, "a"), v)]),)}
    client = connect(cache, "web")
    offer(cache, "web", ResourceSet(tables), client)
    client.request(CLUSTER)
    assert counts(cache) == {v: LiveCount(0, 1)}
    client.request(LISTENER)
    client.settle()
    assert counts(cache) == {v: LiveCount(1, 1)}
    cache.disconnect(next(iter(cache.group("web").connections)))
    assert counts(cache) == {}


def test_a_tally_counts() -> None:
    numbers, tally = Numbers(), Tally()
    sets = [OBJECTS[: n % 4] for n in range(50)]
    for each in sets:
        tally.add(numbers.set_of(each))
    found = {numbers.object(number): count for number, count in at_once(tally.counts()).items()}
    assert found == {each: sum(each in some for some in sets) for each in OBJECTS}


async def test_generations_are_those_that_are_served_not_those_that_are_read() -> None:
    store, idle = ObjectStore(["files"]), asyncio.Event()
    generations = Generations(store, idle)
    first = written(POLICY)
    store.apply(Replaced("files", tuple(first)))
    assert await generations.served() == {}
    idle.set()
    assert await generations.served() == {first[0].ref: 1}
    idle.clear()
    store.apply(Changed("files", tuple(written(POLICY.replace("2s", "3s")))))
    assert await generations.served() == {first[0].ref: 1}
    asyncio.get_running_loop().call_later(0.05, idle.set)
    assert await generations.served() == {first[0].ref: 2}


class Histories(RuleBasedStateMachine):
    """Sets, requests, answers in any order; the count of every object equals the naive one after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = SnapshotCache()
        self.clients: dict[str, DeltaClient | SotwClient] = {}
        self.live = Live(self.cache)
        self.shared: dict[str, Table] = {url: Table() for url in TYPES}
        self.own: dict[str, dict[str, Table]] = {}

    @initialize(kinds=st.lists(st.booleans(), min_size=1, max_size=3))
    def proxies(self, kinds: list[bool]) -> None:
        for number, delta in enumerate(kinds):
            name = f"p{number}"
            self.own[name] = {url: Table() for url in TYPES}
            self.clients[name] = connect(self.cache, name) if delta else connect_sotw(self.cache, name)
            self.clients[name].refuses = lambda resource: resource.body.endswith(b"g6")
            ask(self.clients[name])

    @rule(
        url=st.sampled_from(TYPES),
        name=st.sampled_from(NAMES),
        generation=st.none() | st.integers(0, 6),
        objects=st.sets(st.sampled_from(OBJECTS)),
        own=st.booleans(),
    )
    def change(self, url: str, name: str, generation: int | None, objects: set[ObjectRef], own: bool) -> None:
        made = None if generation is None else authored(plain(url, name, generation), *objects)
        if own:
            if made is not None:
                made = Resource(url, f"own-{name}", made.body, made.provenance)
            for tables in self.own.values():
                tables[url] = tables[url].patched({f"own-{name}": made})
        else:
            self.shared[url] = self.shared[url].patched({name: made})

    @rule(which=st.integers(0, 2))
    def publish(self, which: int) -> None:
        name = f"p{which}"
        if name in self.clients:
            layers = {url: (self.shared[url], self.own[name][url]) for url in TYPES}
            offer(self.cache, name, ResourceSet(layers), self.clients[name])

    @rule(which=st.integers(0, 2), url=st.sampled_from((ENDPOINT, ROUTE)), names=st.sets(st.sampled_from(NAMES)))
    def subscribe(self, which: int, url: str, names: set[str]) -> None:
        client = self.clients.get(f"p{which}")
        if client is not None:
            if isinstance(client, DeltaClient):
                client.request(url, sorted(names), sorted(client.names.get(url, set()) - names))
            else:
                client.request(url, sorted(names))

    @rule(which=st.integers(0, 2))
    def reconnect(self, which: int) -> None:
        name = f"p{which}"
        client = self.clients.get(name)
        if isinstance(client, DeltaClient):
            group = self.cache.group(name)
            for connection in list(group.connections):
                self.cache.disconnect(connection)
            fresh = connect(self.cache, name)
            client.reconnect(fresh.stream)

    @rule(which=st.integers(0, 2), what=st.sampled_from(("fetch", "read", "settle")))
    def go_on(self, which: int, what: str) -> None:
        client = self.clients.get(f"p{which}")
        if client is None:
            return
        if what == "fetch":
            client.fetch()
        elif what == "settle":
            client.settle()
        elif client.inbox:
            client.read()

    @invariant()
    def equals_the_naive_count(self) -> None:
        found = at_once(self.live.round())
        assert {ref: (each.live, each.total) for ref, each in found.items()} == naive(self.cache)
        assert {ref: at_once(self.live.of(ref, 0))[0] for ref in found} == found


def naive(cache: SnapshotCache) -> dict[ObjectRef, tuple[int, int]]:
    found: dict[ObjectRef, tuple[int, int]] = {}
    for group in cache.groups():
        (connection,) = group.connections
        behind: dict[ObjectRef, bool] = {}
        for url, layers in (group.resources or ResourceSet({})).layers.items():
            for table in layers:
                for resource in table.values():
                    for ref in resource.provenance:
                        behind[ref] = behind.get(ref, False) | lags(connection, url, resource, layers)
        for ref, late in behind.items():
            live, total = found.get(ref, (0, 0))
            found[ref] = (live + (not late), total + 1)
    return found


def lags(connection: Connection, url: str, resource: Resource, layers: Layers) -> bool:
    """Whether that resource is asked for and not acknowledged in this version."""
    sub = connection.stream.subscriptions.get(url)
    if sub is None or not sub.held.covers(resource.name):
        return False
    in_flight = {
        each.name
        for batch in connection.stream.unanswered(sub)
        for part in (batch.parts if batch.changes is None else batch.changes)
        for each in part.changed
    }
    refused = sub.refused.get(resource.name)
    if refused is not None and refused.resource.same(find(layers, resource.name)):
        return True
    return resource.name in in_flight or sub.held.version_of(resource.name) != resource.version


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_thousand_proxies_of_a_thousand_services_are_counted_with_a_pause_at_each() -> None:
    refs = [ObjectRef("networking.istio.io", "VirtualService", "shop", f"v{n}") for n in range(1000)]
    shared = Table([authored(endpoints(f"s{n}"), ref) for n, ref in enumerate(refs)])
    cache, names = SnapshotCache(), [f"s{n}" for n in range(1000)]
    clients = []
    for number in range(1000):
        own = Table([authored(endpoints(f"own{number}"), refs[number])])
        client = connect(cache, f"p{number}")
        offer(cache, f"p{number}", ResourceSet({ENDPOINT: (shared, own)}), client)
        client.request(ENDPOINT, names)
        client.fetch()
        client.inbox.clear()  # never answered: all of it is in flight
        clients.append(client)
    found, pauses, work = dict[ObjectRef, LiveCount](), 0, Live(cache).round()
    while not found:
        try:
            next(work)
        except StopIteration as done:
            found = done.value
        pauses += 1
    assert found == {ref: LiveCount(0, 1000) for ref in refs}
    assert pauses > 2 * len(clients), "others are let in after each proxy, and each table of its own"
