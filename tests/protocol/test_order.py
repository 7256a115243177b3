"""The order within ADS: what is referred to comes first, and goes last."""

from __future__ import annotations

from tests.protocol.clients import DeltaClient, cluster, delta, endpoints, layered, plain, route
from xds.server.settings import ServerSettings
from xds.wire.resource import ResourceSet
from xds.wire.type_urls import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE, short

BEFORE = (cluster("a"), endpoints("a"), plain(LISTENER, "l"), route("r"))


def connected(old: ResourceSet, settings: ServerSettings | None = None) -> DeltaClient:
    client = delta(old, settings)
    client.request(CLUSTER)
    client.request(LISTENER)
    client.request(ENDPOINT, [r.name for layer in old.of(ENDPOINT) for r in layer.values()])
    client.request(ROUTE, ["r"])
    client.settle()
    return client


def said(responses: list) -> list[tuple[str, list[str]]]:  # type: ignore[type-arg]
    return [
        (short(each.type_url), [*[r.name for r in each.resources], *[f"-{name}" for name in each.removed_resources]])
        for each in responses
    ]


def test_endpoints_follow_their_changed_cluster_unasked() -> None:
    old = layered(BEFORE)
    client = connected(old)
    client.stream.offer(layered([*BEFORE[1:], cluster("a", 1)], old))
    assert said(client.fetch()) == [("cds", ["a"]), ("eds", ["a"])]


def test_endpoints_follow_under_the_service_name() -> None:
    old = layered([cluster("a", service_name="svc"), endpoints("svc")])
    client = connected(old)
    client.stream.offer(layered([cluster("a", 1, service_name="svc"), endpoints("svc")], old))
    assert said(client.fetch()) == [("cds", ["a"]), ("eds", ["svc"])]


def test_endpoints_of_unchanged_clusters_are_not_sent() -> None:
    old = layered([*BEFORE, cluster("b"), endpoints("b")])
    client = connected(old)
    client.stream.offer(layered([*BEFORE, cluster("b", 1), endpoints("b")], old))
    assert said(client.fetch()) == [("cds", ["b"]), ("eds", ["b"])]


def test_clusters_that_have_no_endpoints_discovery_are_followed_by_none() -> None:
    old = layered([cluster("a", eds=False), endpoints("a")])
    client = connected(old)
    client.stream.offer(layered([cluster("a", 1, eds=False), endpoints("a")], old))
    assert said(client.fetch()) == [("cds", ["a"])]


class TestNewCluster:
    AFTER = (*BEFORE[:3], cluster("b"), endpoints("b"), route("r", 1))

    def test_routes_wait_for_the_endpoints_of_new_clusters(self) -> None:
        old = layered(BEFORE)
        client = connected(old)
        client.stream.offer(layered(self.AFTER, old))
        assert said(client.settle()) == [("cds", ["b"])]
        client.request(ENDPOINT, ["b"])
        assert said(client.fetch()) == [("eds", ["b"])], "sent, but not acknowledged"
        client.read()
        assert said(client.settle()) == [("rds", ["r"])]

    def test_but_not_for_ever(self) -> None:
        old = layered(BEFORE)
        client = connected(old, ServerSettings(hold_s=3.0))
        client.stream.offer(layered(self.AFTER, old))
        assert said(client.settle()) == [("cds", ["b"])]
        assert client.stream.deadline() == 3.0
        client.now = 2.9
        client.stream.offer(layered([*self.AFTER, cluster("c"), endpoints("c")], old))
        assert said(client.settle()) == [("cds", ["c"])], "a later cluster does not put the deadline off"
        assert client.stream.deadline() == 3.0
        client.now = 3.0
        assert said(client.settle()) == [("rds", ["r"])]

    def test_endpoint_changes_do_not_wait(self) -> None:
        old = layered(BEFORE)
        client = connected(old)
        client.stream.offer(layered([*self.AFTER[:1], endpoints("a", 1), *self.AFTER[2:]], old))
        assert said(client.settle()) == [("cds", ["b"]), ("eds", ["a"])]

    def test_what_is_asked_for_meanwhile_is_answered(self) -> None:
        old = layered(BEFORE)
        client = connected(old)
        client.stream.offer(layered([*self.AFTER, route("new")], old))
        client.settle()
        client.request(ROUTE, ["new"])
        client.request(EXTENSION, ["f"])
        assert said(client.settle()) == [("ecds", ["-f"]), ("rds", ["new"])]
        client.request(ENDPOINT, ["b"])
        assert said(client.settle()) == [("eds", ["b"]), ("rds", ["r"])]

    def test_routes_wait_for_clusters_that_cannot_be_sent_yet(self) -> None:
        old = layered(BEFORE)
        client = connected(old, ServerSettings(max_unanswered=1))
        changed = layered([cluster("a", 1), *BEFORE[1:]], old)
        client.stream.offer(changed)
        assert said(client.fetch()) == [("cds", ["a"]), ("eds", ["a"])]
        client.stream.offer(layered([cluster("a", 1), *BEFORE[1:3], cluster("b", eds=False), route("r", 1)], changed))
        assert said(client.fetch()) == [], "the client is still reading the last clusters"
        client.read()
        assert said(client.settle()) == [("cds", ["b"]), ("rds", ["r"])]

    def test_what_is_asked_for_while_clusters_cannot_be_sent_is_answered(self) -> None:
        old = layered(BEFORE)
        client = connected(old, ServerSettings(max_unanswered=1))
        changed = layered([cluster("a", 1), *BEFORE[1:]], old)
        client.stream.offer(changed)
        client.fetch()
        client.stream.offer(layered([cluster("a", 2), *BEFORE[1:], route("new")], changed))
        client.request(ROUTE, ["new"])
        assert said(client.fetch()) == [("rds", ["new"])]

    def test_a_first_answer_is_not_held_back(self) -> None:
        client = delta(layered(BEFORE))
        client.request(CLUSTER)
        client.request(LISTENER)
        assert said(client.settle()) == [("cds", ["a"]), ("lds", ["l"])]


class TestRemovals:
    def test_a_cluster_goes_after_the_routes_that_named_it_were_acknowledged(self) -> None:
        old = layered([*BEFORE, cluster("b"), endpoints("b")])
        client = connected(old)
        client.stream.offer(layered([*BEFORE[:3], route("r", 1)], old))
        assert said(client.fetch()) == [("rds", ["r"])]
        client.read()
        assert said(client.fetch()) == [("cds", ["-b"])]
        client.request(ENDPOINT, unsubscribe=["b"])
        assert said(client.settle()) == [], "nothing is said of endpoints that the client gave up by itself"

    def test_endpoints_on_their_way_do_not_put_removals_off(self) -> None:
        old = layered([*BEFORE, cluster("b"), endpoints("b")])
        client = connected(old)
        changed = layered([*BEFORE[:3], route("r", 1)], old)
        client.stream.offer(changed)
        client.fetch()
        client.stream.offer(layered([BEFORE[0], endpoints("a", 1), BEFORE[2], route("r", 1)], changed))
        assert said(client.fetch()) == [("eds", ["a"])]
        client.read()
        assert said(client.fetch()) == [("cds", ["-b"])], "the route is acknowledged, the endpoints are not"

    def test_endpoints_that_go_leave_an_empty_assignment(self) -> None:
        old = layered(BEFORE)
        client = connected(old)
        client.stream.offer(layered([BEFORE[0], *BEFORE[2:]], old))
        assert said(client.settle()) == [("eds", ["a"])]
        assert client.log[-1].resources[0].resource.value == b"\x0a\x01a"

    def test_a_listener_goes_together_with_what_replaces_it(self) -> None:
        old = layered(BEFORE)
        client = connected(old)
        client.stream.offer(layered([*BEFORE[:2], plain(LISTENER, "m"), BEFORE[3]], old))
        assert said(client.settle()) == [("lds", ["m", "-l"])]

    def test_a_cluster_that_comes_back_in_time_never_went(self) -> None:
        old = layered([*BEFORE, cluster("b"), endpoints("b")])
        client = connected(old)
        without = layered([*BEFORE[:3], route("r", 1)], old)
        client.stream.offer(without)
        client.fetch()
        client.stream.offer(layered([*BEFORE[:3], route("r", 2), cluster("b"), endpoints("b")], without))
        assert said(client.settle()) == [("rds", ["r"])]

    def test_filter_configurations_stay_until_listeners_have_drained(self) -> None:
        old = layered([*BEFORE, plain(EXTENSION, "f"), plain(EXTENSION, "g")])
        client = connected(old, ServerSettings(drain_s=600.0))
        client.request(EXTENSION, ["f", "g"])
        client.settle()
        client.now = 100.0
        client.stream.offer(layered(BEFORE, old))
        assert said(client.settle()) == []
        assert client.stream.settled()
        assert client.stream.deadline() == 700.0
        client.request(EXTENSION, unsubscribe=["g"])
        client.now = 700.0
        assert said(client.settle()) == [("ecds", ["-f"])]
