"""No cluster waits for endpoints that do not come, and no cluster is missing that a route in use names."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.clients import Delta, DeltaClient, cluster, delta_stream, endpoints, layered, name_of
from xds.server.rejections import Rejections
from xds.wire import protobuf
from xds.wire.resource import Resource
from xds.wire.type_urls import CLUSTER, ENDPOINT, ROUTE

NAMES = ["a", "b", "c"]


def route_to(name: str, generation: int) -> Resource:
    """A route configuration that names a cluster (in field 5, where these tests look for it)."""
    return Resource(ROUTE, "r", protobuf.text(1, "r") + protobuf.text(5, name) + protobuf.text(15, f"g{generation}"))


class Warming(DeltaClient):
    """Subscribes to the endpoints of its clusters as Envoy does; a new or changed cluster warms until they come."""

    def __init__(self) -> None:
        super().__init__(delta_stream(Rejections(10)))
        self.warming: set[str] = set()
        self.new: set[str] = set()  # those of the warming that have no predecessor to do the work meanwhile
        self.used = ""

    def read(self) -> Delta:
        before = dict(self.held.get(CLUSTER, {}))
        response = super().read()
        names = [each.name for each in response.resources]
        if response.type_url == CLUSTER:
            after = self.held[CLUSTER]
            self.warming |= {name for name in names if after[name] != before.get(name)}
            self.warming &= after.keys()
            self.new = (self.new | (after.keys() - before.keys())) & after.keys()
            new, gone = after.keys() - before.keys(), before.keys() - after.keys()
            if new or gone:
                self.request(ENDPOINT, sorted(new), sorted(gone))
            assert not self.used or self.used in after, "a cluster went while a route names it"
        elif response.type_url == ENDPOINT:
            self.warming -= {*names, *response.removed_resources}
            self.new &= self.warming
        elif response.type_url == ROUTE:
            for each in response.resources:
                target = protobuf.last(each.resource.value, 5)
                assert isinstance(target, bytes)
                self.used = target.decode()
                assert self.used in self.held[CLUSTER], "a route came before its cluster"
                assert self.used not in self.new, "a route came before its cluster was warm"
        return response

    def begin(self) -> None:
        """Ask for what an Envoy asks for."""
        self.request(CLUSTER)
        self.settle()
        self.request(ROUTE, ["r"])
        self.settle()


SETS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), min_size=1), st.integers(0, 2)), min_size=1
)


def test_name_of() -> None:
    assert name_of(route_to("a", 0).body) == "r"


@settings(max_examples=300, deadline=None)
@given(SETS, st.lists(st.integers(0, 4), min_size=30, max_size=30))
def test_sets_that_always_fit_together(sets: list[tuple[dict[str, int], int]], reads: list[int]) -> None:
    """Each set routes to a cluster of its own; the client reads late, and sees none of the seams."""
    client = Warming()
    offered = layered([cluster("a"), endpoints("a"), route_to("a", 0)])
    client.stream.offer(offered)
    client.begin()
    for (clusters, generation), count in zip(sets, reads, strict=False):
        found = [cluster(name, version) for name, version in clusters.items()]
        found += [endpoints(name, generation) for name in clusters]
        offered = layered([*found, route_to(min(clusters), generation)], offered)
        client.stream.offer(offered)
        client.fetch()
        for _ in range(min(count, len(client.inbox))):
            client.read()
    client.settle()
    assert not client.warming
    target, _ = sets[min(len(sets), len(reads)) - 1]
    assert client.held[CLUSTER].keys() == target.keys()
    assert client.used == min(target)
