"""The state-of-the-world protocol, rule by rule, and as a property."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.protocol.clients import SotwClient, cluster, endpoints, layered, plain, route, sotw, sotw_stream
from xds.server.absent import placeholder
from xds.server.rejections import Rejections
from xds.wire.resource import Resource, ResourceSet, find
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, short

BEFORE = (cluster("a"), endpoints("a"), plain(LISTENER, "l"), route("r"))


def said(client: SotwClient, responses: list) -> list[tuple[str, list[str]]]:  # type: ignore[type-arg]
    from tests.protocol.clients import name_of

    return [(short(each.type_url), [name_of(r.value) for r in each.resources]) for each in responses]


def connected(old: ResourceSet) -> SotwClient:
    client = sotw(old)
    client.request(CLUSTER)
    client.request(ENDPOINT, [r.name for layer in old.of(ENDPOINT) for r in layer.values()])
    client.request(LISTENER)
    client.request(ROUTE, ["r"])
    client.settle()
    return client


def test_everything_comes_in_order() -> None:
    client = connected(layered(BEFORE))
    assert said(client, client.log) == [("cds", ["a"]), ("eds", ["a"]), ("lds", ["l"]), ("rds", ["r"])]


def test_an_empty_wildcard_is_answered() -> None:
    client = sotw(ResourceSet({}))
    client.request(CLUSTER)
    client.request(LISTENER)
    assert said(client, client.settle()) == [("cds", []), ("lds", [])]


def test_clusters_are_listed_in_full_endpoints_by_what_changed() -> None:
    old = layered([*BEFORE, cluster("b", eds=False), endpoints("e")])
    client = connected(old)
    client.stream.offer(layered([*BEFORE, cluster("b", 1, eds=False), endpoints("e", 1)], old))
    assert said(client, client.settle()) == [("cds", ["a", "b"]), ("eds", ["e"])]


def test_endpoints_follow_their_changed_cluster_unasked() -> None:
    old = layered([*BEFORE, cluster("b"), endpoints("b")])
    client = connected(old)
    client.stream.offer(layered([*BEFORE, cluster("b", 1), endpoints("b")], old))
    assert said(client, client.settle()) == [("cds", ["a", "b"]), ("eds", ["b"])]


def test_names_may_grow_and_shrink() -> None:
    client = sotw(layered([route("a"), route("b")]))
    client.request(ROUTE, ["a"])
    client.settle()
    client.request(ROUTE, ["a", "b"])
    assert said(client, client.settle()) == [("rds", ["b"])]
    client.request(ROUTE, ["b"])
    assert said(client, client.settle()) == []
    client.request(ROUTE, ["a", "b"])
    assert said(client, client.settle()) == [("rds", ["a"])]


def test_stale_requests_are_ignored() -> None:
    old = layered([route("a"), route("b")])
    client = sotw(old)
    client.request(ROUTE, ["a"])
    client.fetch()
    client.request(ROUTE, ["a", "b"], nonce="")  # sent before the response was read
    assert client.fetch() == []
    client.read()
    assert said(client, client.settle()) == [("rds", ["b"])], "asked for with the answer to the response"


def test_unknown_endpoints_are_empty_ones() -> None:
    client = sotw(ResourceSet({}))
    client.request(ENDPOINT, ["a"])
    assert said(client, client.settle()) == [("eds", ["a"])]


def test_what_does_not_exist_is_sent_when_it_does() -> None:
    client = sotw(ResourceSet({}))
    client.request(ROUTE, ["a"])
    assert client.settle() == []
    client.stream.offer(layered([route("a")]))
    assert said(client, client.settle()) == [("rds", ["a"])]


def test_reconnect_sends_no_whole_state_that_the_client_has() -> None:
    """Of named types it does: a version does not tell for which names it was sent."""
    client = connected(layered(BEFORE))
    stream = sotw_stream()
    stream.offer(layered(BEFORE))
    client.reconnect(stream)
    assert said(client, client.settle()) == [("eds", ["a"]), ("rds", ["r"])]
    assert stream.settled()


def test_reconnect_after_a_change_sends_the_types_that_changed() -> None:
    client = connected(layered(BEFORE))
    stream = sotw_stream()
    stream.offer(layered([*BEFORE[:2], plain(LISTENER, "m"), BEFORE[3]]))
    client.reconnect(stream)
    assert said(client, client.settle())[1] == ("lds", ["m"])


def test_routes_wait_for_clusters_that_cannot_be_sent_yet() -> None:
    old = layered(BEFORE)
    client = connected(old)
    changed = layered([cluster("a", 1), *BEFORE[1:]], old)
    client.stream.offer(changed)
    assert said(client, client.fetch()) == [("cds", ["a"]), ("eds", ["a"])]
    client.stream.offer(layered([cluster("a", 1), *BEFORE[1:3], cluster("b", eds=False), route("r", 1)], changed))
    assert said(client, client.fetch()) == [], "the client is still reading the last clusters"
    client.read()
    assert said(client, client.settle()) == [("cds", ["a", "b"]), ("rds", ["r"])]


def test_reconnect_after_a_changed_cluster_sends_its_endpoints() -> None:
    client = connected(layered(BEFORE))
    stream = sotw_stream()
    stream.offer(layered([cluster("a", 1), *BEFORE[1:]]))
    client.reconnect(stream)
    assert said(client, client.settle())[:2] == [("cds", ["a"]), ("eds", ["a"])]


def test_a_cluster_stays_listed_until_routes_have_changed() -> None:
    old = layered([*BEFORE, cluster("b", eds=False)])
    client = connected(old)
    client.stream.offer(layered([*BEFORE[:3], route("r", 1)], old))
    assert said(client, client.settle()) == [("cds", ["a", "b"]), ("rds", ["r"]), ("cds", ["a"])]


def test_a_refused_state_is_not_sent_again() -> None:
    old = layered([cluster("a", eds=False), cluster("b", eds=False)])
    client = sotw(old)
    client.refuses = cluster("b", 1, eds=False).same
    client.request(CLUSTER)
    client.settle()
    bad = layered([cluster("a", 1, eds=False), cluster("b", 1, eds=False)], old)
    client.stream.offer(bad)
    assert len(client.settle()) == 1
    client.stream.offer(layered([cluster("a", 2, eds=False), cluster("b", 2, eds=False)], bad))
    client.settle()
    assert len(client.held[CLUSTER]) == 2
    assert client.held[CLUSTER]["b"] == cluster("b", 2, eds=False).body


def test_a_culprit_that_is_known_is_replaced_by_its_last_good_version() -> None:
    old = layered([cluster("a", eds=False), cluster("b", eds=False)])
    client = sotw(old)
    bad = cluster("b", 1, eds=False)
    client.refuses = bad.same
    client.request(CLUSTER)
    client.settle()
    old = layered([cluster("a", eds=False), bad], old)
    client.stream.offer(old)
    assert len(client.settle()) == 2
    client.stream.offer(layered([cluster("a", 1, eds=False), bad], old))
    client.settle()
    assert client.held[CLUSTER] == {
        "a": cluster("a", 1, eds=False).body,
        "b": cluster("b", eds=False).body,
    }


NAMES = ["a", "b", "c"]
MAKERS: dict[str, Callable[[str, int], Resource]] = {
    CLUSTER: cluster,
    ENDPOINT: endpoints,
    LISTENER: lambda name, generation: plain(LISTENER, name, generation),
    ROUTE: route,
}


class Conversation(RuleBasedStateMachine):
    """As for delta: in the end the client has what the server has. Nothing is refused here."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[tuple[str, str], Resource] = {}
        self.set = ResourceSet({})
        self.client = SotwClient(sotw_stream(Rejections(10)))

    @initialize()
    def start(self) -> None:
        self.client.stream.offer(self.set)

    @rule(type_url=st.sampled_from(sorted(MAKERS)), changes=st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 2)))
    def change(self, type_url: str, changes: dict[str, int]) -> None:
        for name, generation in changes.items():
            if generation < 0:
                self.wanted.pop((type_url, name), None)
            else:
                self.wanted[type_url, name] = MAKERS[type_url](name, generation)
        self.set = layered(self.wanted.values(), self.set)
        self.client.stream.offer(self.set)

    @rule(type_url=st.sampled_from([ENDPOINT, ROUTE]), names=st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    def ask(self, type_url: str, names: list[str]) -> None:
        self.client.request(type_url, names)

    @rule(type_url=st.sampled_from([CLUSTER, LISTENER]))
    def ask_all(self, type_url: str) -> None:
        self.client.request(type_url)

    @rule(count=st.integers(1, 2))
    def fetch(self, count: int) -> None:
        self.client.fetch()
        for _ in range(min(count, len(self.client.inbox))):
            self.client.read()

    @rule()
    def reconnect(self) -> None:
        stream = sotw_stream(Rejections(10))
        stream.offer(self.set)
        self.client.reconnect(stream)

    @rule()
    def settle(self) -> None:
        self.client.settle()
        self.client.now += 10_000
        self.client.settle()
        for type_url, held in self.client.held.items():
            for name in NAMES:
                wanted = find(self.set.of(type_url), name)
                asked = self.client.names[type_url]
                if asked and name not in asked:
                    continue
                if wanted is not None:
                    assert held.get(name) == wanted.body
                elif type_url in (CLUSTER, LISTENER):
                    assert name not in held
                elif type_url == ENDPOINT:
                    empty = placeholder(type_url, name)
                    assert empty is not None
                    assert held.get(name) == empty.body
        assert self.client.settle() == []


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
