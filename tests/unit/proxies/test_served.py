"""What proxies are served while the rest of a generation is being judged: its endpoints, and all else as before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.protocol.clients import DeltaClient, cluster, delta_stream, endpoints, route
from xds.model.proxy import Proxy
from xds.proxies.presence import group_of
from xds.proxies.served import Served
from xds.server import SnapshotCache
from xds.slices import at_once
from xds.wire.resource import EMPTY, Resource, ResourceSet, Table
from xds.wire.type_urls import CLUSTER, ENDPOINT, ROUTE

PROXY = Proxy("p", namespace="shop", name="client")
BEFORE = ResourceSet(
    {
        CLUSTER: (Table([cluster("a"), cluster("b")]),),
        ENDPOINT: (Table([endpoints("a"), endpoints("b")]),),
        ROUTE: (Table([route("r")]),),
    }
)


class World:
    """A proxy that is served a set, and does what Envoy does."""

    def __init__(self, resources: ResourceSet = BEFORE) -> None:
        self.cache = SnapshotCache()
        self.served = Served(self.cache, lambda proxy: ())
        self.client = DeltaClient(delta_stream())
        self.served.publish(PROXY, resources)
        self.offer()
        self.client.request(CLUSTER)
        self.client.settle()
        self.client.request(ENDPOINT, ["a", "b"])
        self.client.settle()
        self.client.request(ROUTE, ["r"])
        self.client.settle()

    def offer(self) -> None:
        self.client.stream.offer(self.now)
        self.client.settle()

    @property
    def now(self) -> ResourceSet:
        resources = self.cache.get(group_of(PROXY))
        assert resources is not None
        return resources

    def publish_endpoints(self, resources: ResourceSet) -> None:
        at_once(self.served.publish_endpoints({PROXY: resources}))
        self.offer()

    def publish(self, resources: ResourceSet) -> None:
        self.served.publish(PROXY, resources)
        self.offer()


def after(
    changes: Mapping[str, Resource | None], others: Iterable[Resource] = (), old: ResourceSet = BEFORE
) -> ResourceSet:
    """The set that comes after ``old``: other endpoints, in a second layer, too, other clusters and routes."""
    (first,) = old.of(ENDPOINT)[:1]
    clusters = Table([each for each in old.of(CLUSTER)[0].values() if changes.get(each.name, each) is not None])
    layers = (first.patched(changes), Table(others))
    return ResourceSet({CLUSTER: (clusters,), ENDPOINT: layers, ROUTE: (Table([route("r", 1)]),)})


def test_endpoints_that_go_stay_until_the_routes_to_them_are_others() -> None:
    """Envoy is told of endpoints that went that there are none: a route that still names their cluster answers 503."""
    world = World()
    new = after({"a": endpoints("a", 1), "b": None})
    world.publish_endpoints(new)
    assert world.client.held[ENDPOINT] == {"a": endpoints("a", 1).version, "b": endpoints("b").version}
    assert world.client.held[ROUTE] == {"r": route("r").version}
    seen = len(world.client.log)
    world.publish(new)
    assert world.client.held[ROUTE] == {"r": route("r", 1).version}
    assert world.client.held[CLUSTER] == {"a": cluster("a").version}
    kinds = [response.type_url for response in world.client.log[seen:]]
    assert kinds == [ROUTE, CLUSTER, ENDPOINT], "the route first, then what it named"


def test_they_stay_however_often_endpoints_change_meanwhile() -> None:
    world = World()
    gone = after({"b": None})
    world.publish_endpoints(gone)
    later = after({"a": endpoints("a", 2)}, old=gone)
    world.publish_endpoints(later)
    assert world.client.held[ENDPOINT] == {"a": endpoints("a", 2).version, "b": endpoints("b").version}
    back = after({"b": endpoints("b", 3)}, old=later)
    world.publish_endpoints(back)
    assert world.client.held[ENDPOINT] == {"a": endpoints("a", 2).version, "b": endpoints("b", 3).version}


def test_nothing_is_served_anew_when_all_that_would_change_stays() -> None:
    world = World()
    world.publish_endpoints(after({"b": None}))
    now = world.now
    world.publish_endpoints(after({"b": None}))
    assert world.now is now


def test_what_moved_to_another_layer_is_there_once() -> None:
    world = World()
    world.publish_endpoints(after({"b": None}, [endpoints("b", 1)]))
    tables = world.now.of(ENDPOINT)
    assert [name for table in tables for name in table] == ["a", "b"]
    assert world.client.held[ENDPOINT]["b"] == endpoints("b", 1).version


def test_proxies_that_share_a_layer_share_it_still() -> None:
    other = Proxy("q", namespace="shop", name="other")
    world, new = World(), after({"b": None})
    world.served.publish(other, ResourceSet({**BEFORE.layers, CLUSTER: (EMPTY,)}))
    at_once(world.served.publish_endpoints({PROXY: new, other: ResourceSet(dict(new.layers))}))
    theirs = world.cache.get(group_of(other))
    assert theirs is not None
    assert theirs.of(ENDPOINT)[0] is world.now.of(ENDPOINT)[0]
