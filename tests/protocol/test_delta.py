"""The incremental protocol, rule by rule; the traps are those of reference/envoy-facts.md."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.protocol.clients import Delta, DeltaClient, cluster, delta, delta_stream, endpoints, layered, plain, route
from xds.server.errors import LimitExceeded
from xds.server.rejections import Rejections
from xds.server.settings import ServerSettings
from xds.wire.resource import ResourceSet
from xds.wire.type_urls import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE, SECRET

NOTHING = ResourceSet({})


def names(responses: list) -> list[list[str]]:  # type: ignore[type-arg]
    return [[each.name for each in response.resources] for response in responses]


class TestSubscriptions:
    def test_a_first_request_without_names_is_a_wildcard(self) -> None:
        client = delta(layered([cluster("a"), cluster("b")]))
        client.request(CLUSTER)
        assert names(client.settle()) == [["a", "b"]]

    def test_a_star_is_a_wildcard_for_every_type(self) -> None:
        client = delta(layered([route("a")]))
        client.request(ROUTE, ["*"])
        assert names(client.settle()) == [["a"]]

    def test_a_star_beside_names(self) -> None:
        client = delta(layered([cluster("a"), cluster("b")]))
        client.request(CLUSTER, ["*", "a"])
        assert names(client.settle()) == [["a", "b"]]

    @pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
    def test_an_empty_wildcard_is_answered(self, type_url: str) -> None:
        client = delta(NOTHING)
        client.request(type_url)
        (response,) = client.settle()
        assert not response.resources
        assert not response.removed_resources

    def test_a_first_request_without_names_for_a_named_type_asks_for_nothing(self) -> None:
        client = delta(layered([route("a")]))
        client.request(ROUTE)
        assert client.settle() == []

    @pytest.mark.parametrize("type_url", [ROUTE, SECRET, EXTENSION, LISTENER])
    def test_an_unknown_name_is_called_removed(self, type_url: str) -> None:
        client = delta(NOTHING)
        client.request(type_url, ["a"])
        (response,) = client.settle()
        assert list(response.removed_resources) == ["a"]

    def test_unknown_endpoints_are_empty_ones(self) -> None:
        client = delta(NOTHING)
        client.request(ENDPOINT, ["a"])
        (response,) = client.settle()
        assert names([response]) == [["a"]]
        assert response.resources[0].resource.value == b"\x0a\x01a"

    def test_an_unknown_on_demand_cluster_is_an_empty_one(self) -> None:
        client = delta(NOTHING)
        client.request(CLUSTER)
        client.settle()
        client.request(CLUSTER, ["a"])
        assert names(client.settle()) == [["a"]]
        client.stream.offer(layered([cluster("a")]))
        assert names(client.settle()) == [["a"]]

    def test_unsubscribed_names_are_not_sent(self) -> None:
        old = layered([route("a"), route("b")])
        client = delta(old)
        client.request(ROUTE, ["a", "b"])
        client.settle()
        client.request(ROUTE, unsubscribe=["a"])
        client.stream.offer(layered([route("a", 1), route("b", 1)], old))
        assert names(client.settle()) == [["b"]]

    def test_a_name_subscribed_again_is_sent_again(self) -> None:
        client = delta(layered([route("a")]))
        client.request(ROUTE, ["a"])
        client.settle()
        client.request(ROUTE, unsubscribe=["a"])
        client.request(ROUTE, ["a"])
        assert names(client.settle()) == [["a"]]

    def test_a_name_subscribed_twice_is_sent_twice(self) -> None:
        client = delta(layered([route("a")]))
        client.request(ROUTE, ["a"])
        client.settle()
        client.request(ROUTE, ["a"])
        assert names(client.settle()) == [["a"]]

    def test_a_name_unsubscribed_under_a_wildcard_is_answered(self) -> None:
        client = delta(layered([cluster("a")]))
        client.request(CLUSTER, ["*", "a", "b"])
        client.settle()
        client.request(CLUSTER, unsubscribe=["a", "b"])
        (response,) = client.settle()
        assert names([response]) == [["a"]]
        assert list(response.removed_resources) == ["b"]

    def test_nothing_is_said_before_there_is_a_set(self) -> None:
        client = delta()
        client.request(CLUSTER)
        assert client.settle() == []
        client.stream.offer(NOTHING)
        assert len(client.settle()) == 1

    def test_only_changes_are_sent(self) -> None:
        old = layered([endpoints(f"e{number}") for number in range(100)])
        client = delta(old)
        client.request(ENDPOINT, [f"e{number}" for number in range(100)])
        client.settle()
        client.stream.offer(layered([endpoints(f"e{number}", int(number == 7)) for number in range(100)], old))
        assert names(client.settle()) == [["e7"]]

    def test_too_many_names_end_the_stream(self) -> None:
        client = delta(NOTHING, ServerSettings(max_names=2))
        with pytest.raises(LimitExceeded):
            client.request(ROUTE, ["a", "b", "c"])

    def test_too_many_types_end_the_stream(self) -> None:
        client = delta(NOTHING, ServerSettings(max_types=2))
        client.request("type.googleapis.com/a")
        client.request("type.googleapis.com/b")
        with pytest.raises(LimitExceeded):
            client.request("type.googleapis.com/c")

    def test_the_latest_set_is_sent_not_the_history(self) -> None:
        old = layered([endpoints("a")])
        client = delta(old)
        client.request(ENDPOINT, ["a"])
        client.settle()
        for generation in range(1, 50):
            old = layered([endpoints("a", generation)], old)
            client.stream.offer(old)
        (response,) = client.settle()
        assert response.resources[0].version == endpoints("a", 49).version

    def test_a_client_that_does_not_answer_is_not_flooded(self) -> None:
        old = layered([endpoints("a")])
        client = delta(old, ServerSettings(max_unanswered=3))
        client.request(ENDPOINT, ["a"])
        for generation in range(1, 10):
            client.fetch()
            old = layered([endpoints("a", generation)], old)
            client.stream.offer(old)
        client.fetch()
        assert len(client.inbox) == 3
        client.settle()
        assert client.held[ENDPOINT]["a"] == endpoints("a", 9).version


class TestReconnect:
    ALL = (cluster("a"), endpoints("a"), plain(LISTENER, "l"), route("r"), plain(EXTENSION, "f"), plain(SECRET, "s"))
    ASKED: ClassVar = {CLUSTER: [], ENDPOINT: ["a"], LISTENER: [], ROUTE: ["r"], EXTENSION: ["f"], SECRET: ["s"]}

    def test_nothing_is_sent_that_the_client_has(self) -> None:
        client = delta(layered(self.ALL))
        for type_url, asked in self.ASKED.items():
            client.request(type_url, asked)
        client.settle()
        stream = delta_stream()
        stream.offer(layered(self.ALL))
        client.reconnect(stream)
        assert client.settle() == []
        assert stream.settled()

    def test_what_changed_meanwhile_is_sent_and_what_went_is_removed(self) -> None:
        client = delta(layered([cluster("a", eds=False), cluster("b", eds=False), cluster("c", eds=False)]))
        client.request(CLUSTER)
        client.settle()
        stream = delta_stream()
        now = [cluster("a", eds=False), cluster("b", 1, eds=False), cluster("d", eds=False)]
        stream.offer(layered(now))
        client.reconnect(stream)
        first, second = client.settle()
        assert names([first]) == [["b", "d"]]
        assert list(second.removed_resources) == ["c"]

    def test_endpoints_are_sent_after_their_cluster_even_if_the_client_has_them(self) -> None:
        client = delta(layered([cluster("a"), cluster("b"), endpoints("a"), endpoints("b")]))
        client.request(CLUSTER)
        client.request(ENDPOINT, ["a", "b"])
        client.settle()
        stream = delta_stream()
        stream.offer(layered([cluster("a", 1), cluster("b"), endpoints("a"), endpoints("b")]))
        client.reconnect(stream)
        assert names(client.settle()) == [["a"], ["a"]]

    def test_endpoints_that_have_just_gone_follow_their_changed_cluster_too(self) -> None:
        """It is in use until the routes to it have changed: nobody may find it empty before."""
        client = delta(layered([cluster("a"), endpoints("a"), route("r")]))
        for type_url, wanted in ((CLUSTER, []), (ENDPOINT, ["a"]), (ROUTE, ["r"])):
            client.request(type_url, wanted)
        client.settle()
        client.stream.offer(layered([cluster("a", 1), endpoints("a"), route("r")]))
        client.inbox.append(Delta.FromString(b"".join(client.stream.pull(client.now) or ())))
        client.stream.offer(layered([route("r", 1)]))
        responses = client.settle()
        order = [(response.type_url, list(response.removed_resources)) for response in responses]
        full = [response for response in responses if response.type_url == ENDPOINT]
        assert [each.resource.value == endpoints("a").body for each in full[0].resources] == [True]
        assert order.index((ROUTE, [])) < order.index((CLUSTER, ["a"])) < responses.index(full[-1])

    def test_endpoints_asked_for_after_the_cluster_was_sent_are_sent_too(self) -> None:
        before = layered([cluster("a"), endpoints("a")])
        client = delta(before)
        client.request(CLUSTER)
        client.request(ENDPOINT, ["a"])
        client.settle()
        client.stream, client.started = delta_stream(), set()
        client.stream.offer(layered([cluster("a", 1), endpoints("a")]))
        client.request(CLUSTER, versions={"a": cluster("a").version})
        client.settle()
        client.request(ENDPOINT, ["a"], versions={"a": endpoints("a").version})
        assert names(client.settle()) == [["a"]]

    def test_on_demand_names_that_the_client_has_are_not_sent(self) -> None:
        client = delta(layered([cluster("a", eds=False)]))
        client.request(CLUSTER)
        client.request(CLUSTER, ["a", "none"])
        client.settle()
        stream = delta_stream()
        stream.offer(layered([cluster("a", eds=False)]))
        client.reconnect(stream)
        assert client.settle() == []


class TestRefusals:
    def test_the_culprit_is_found_and_the_good_are_counted(self) -> None:
        bad = cluster("c", 1, eds=False)
        client = delta(layered([cluster(name, eds=False) for name in "abcd"]))
        client.refuses = bad.same
        client.request(CLUSTER)
        client.settle()
        client.stream.offer(layered([cluster(name, 1, eds=False) for name in "abcd"]))
        assert names(client.settle()) == [["a", "b", "c", "d"], ["a"], ["b"], ["c"], ["d"], ["c"]]
        assert client.counted[CLUSTER] == {
            name: cluster(name, int(name != "c"), eds=False).version for name in "abcd"
        }, "the last good one is sent again, since it may have been applied in part"

    def test_one_bad_in_many_costs_few_responses(self) -> None:
        many = [cluster(f"c{number}", eds=False) for number in range(1000)]
        client = delta(layered(many))
        client.refuses = many[400].same
        client.request(CLUSTER)
        assert len(client.settle()) < 40
        assert client.counted[CLUSTER].keys() == {each.name for each in many} - {"c400"}

    def test_what_one_clients_machine_lacks_is_sent_to_others_and_when_it_comes_back(self) -> None:
        listener, reason = plain(LISTENER, "l"), "Error adding/updating listener(s) l: cannot bind '0.0.0.0:80': in use"
        rejections = Rejections(10)

        def connected() -> DeltaClient:
            client = DeltaClient(delta_stream(rejections))
            client.stream.offer(layered([listener]))
            client.request(LISTENER)
            return client

        client = connected()
        (response,) = client.fetch()
        client.answer(response, error=reason)
        assert client.fetch() == [], "it was refused here"
        assert [rejection.reason for rejection in client.stream.rejections] == [reason]
        assert names(connected().fetch()) == [["l"]]

    def test_a_refused_version_is_never_sent_again_to_anybody(self) -> None:
        good, bad = route("a"), route("a", 1)
        rejections = Rejections(10)
        client = delta(layered([good]))
        client.stream = delta_stream(rejections)
        client.stream.offer(layered([good]))
        client.refuses = bad.same
        client.request(ROUTE, ["a"])
        client.settle()
        client.stream.offer(layered([bad]))
        assert len(client.settle()) == 1
        (rejection,) = rejections
        assert (rejection.resource.version, rejection.reason) == (bad.version, "cannot use ['a']")
        for again in (good, bad):
            client.stream.offer(layered([again]))
            assert client.settle() == []
        other = delta()
        other.stream = delta_stream(rejections)
        other.stream.offer(layered([bad]))
        other.request(ROUTE, ["a"])
        (response,) = other.settle()
        assert response.resources[0].version == good.version, "a new proxy gets the last good one"

    def test_a_new_resource_that_is_refused_is_told_to_others_as_missing(self) -> None:
        bad = route("a")
        rejections = Rejections(10)
        clients = [delta(), delta()]
        for client in clients:
            client.stream = delta_stream(rejections)
            client.stream.offer(layered([bad]))
            client.refuses = bad.same
            client.request(ROUTE, ["a"])
            client.settle()
        assert list(clients[1].log[0].removed_resources) == ["a"]

    def test_a_corrected_version_is_sent(self) -> None:
        old = layered([route("a")])
        client = delta(old)
        client.refuses = route("a", 1).same
        client.request(ROUTE, ["a"])
        client.settle()
        old = layered([route("a", 1)], old)
        client.stream.offer(old)
        client.settle()
        client.stream.offer(layered([route("a", 2)], old))
        assert names(client.settle()) == [["a"]]
        assert client.held[ROUTE]["a"] == route("a", 2).version

    def test_clusters_are_kept_while_an_older_route_is_in_use(self) -> None:
        old = layered([cluster("a", eds=False), route("r")])
        client = delta(old)
        client.refuses = route("r", 1).same
        client.request(CLUSTER)
        client.request(ROUTE, ["r"])
        client.settle()
        old = layered([cluster("b", eds=False), route("r", 1)], old)
        client.stream.offer(old)
        client.settle()
        assert client.held[CLUSTER].keys() == {"a", "b"}
        client.stream.offer(layered([cluster("b", eds=False), route("r", 2)], old))
        client.settle()
        assert client.held[CLUSTER].keys() == {"b"}

    def test_an_answer_to_no_response_is_ignored(self) -> None:
        client = delta(layered([cluster("a")]))
        client.request(CLUSTER)
        (response,) = client.settle()
        client.answer(response, error="too late")
        assert client.settle() == []


def test_what_a_client_says_of_a_refusal_moves_no_terminal() -> None:
    client = delta(layered([plain(LISTENER, "l")]))
    client.request(LISTENER)
    (response,) = client.fetch()
    client.answer(response, error="l: \x1b[2J bad\nm: \u202e too")
    assert [rejection.reason for rejection in client.stream.rejections] == ["l: ?[2J bad\nm: ? too"]


def test_what_a_client_says_of_a_refusal_is_not_kept_without_end() -> None:
    client = delta(layered([plain(LISTENER, "l")]))
    client.request(LISTENER)
    (response,) = client.fetch()
    client.answer(response, error="l: " + "\x1b" * 1_000_000)
    (rejection,) = client.stream.rejections
    assert rejection.reason.startswith("l: ??")
    assert len(rejection.reason) <= 64 * 1024
