"""Virtual hosts one by one: every trap of envoy-facts 1."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.clients import Delta, DeltaClient, delta, delta_stream, layered, plain, route
from xds.server.rejections import Rejections
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import ROUTE, VIRTUAL_HOST, short


def host(name: str, generation: int = 0) -> Resource:
    return plain(VIRTUAL_HOST, name, generation)


RC = (route("rc", vhds=True), host("rc/a"), host("rc/b"))
RC2 = (route("rc2", vhds=True), host("rc2/a"))


def said(responses: list) -> list[tuple[str, list[str]]]:  # type: ignore[type-arg]
    return [
        (short(each.type_url), [*[r.name for r in each.resources], *[f"-{name}" for name in each.removed_resources]])
        for each in responses
    ]


def connected(resources: ResourceSet, routes: list[str]) -> DeltaClient:
    client = delta(resources)
    client.request(ROUTE, routes)
    client.settle()
    client.request(VIRTUAL_HOST)
    client.settle()
    return client


def test_only_the_hosts_of_subscribed_routes_are_sent_all_in_one() -> None:
    client = connected(layered([*RC, *RC2]), ["rc"])
    assert said(client.log) == [("rds", ["rc"]), ("vhds", ["rc/a", "rc/b"])]


def test_hosts_of_a_second_route_come_unasked_after_it() -> None:
    client = connected(layered([*RC, *RC2]), ["rc"])
    client.request(ROUTE, ["rc2"])
    assert said(client.fetch()) == [("rds", ["rc2"]), ("vhds", ["rc2/a"])]


def test_a_name_is_split_at_its_last_slash() -> None:
    client = connected(layered([route("a/b", vhds=True), host("a/b/v"), host("a/v")]), ["a/b"])
    assert client.held[VIRTUAL_HOST].keys() == {"a/b/v"}


def test_a_changed_host_travels_alone() -> None:
    old = layered(RC)
    client = connected(old, ["rc"])
    client.stream.offer(layered([RC[0], RC[1], host("rc/b", 1)], old))
    assert said(client.settle()) == [("vhds", ["rc/b"])]


def test_a_removed_host_goes_with_its_successor() -> None:
    old = layered(RC)
    client = connected(old, ["rc"])
    client.stream.offer(layered([RC[0], RC[1], host("rc/c")], old))
    assert said(client.settle()) == [("vhds", ["rc/c", "-rc/b"])]


def test_a_route_without_hosts_ends_its_wait_with_a_name_that_never_was() -> None:
    client = connected(layered([RC[0]]), ["rc"])
    assert said(client.log) == [("rds", ["rc"]), ("vhds", ["-rc/none"])]


def test_a_second_route_without_hosts_too() -> None:
    client = connected(layered([*RC, route("rc3", vhds=True)]), ["rc"])
    client.request(ROUTE, ["rc3"])
    assert said(client.settle()) == [("rds", ["rc3"]), ("vhds", ["-rc3/none"])]


def test_a_route_with_inline_hosts_only_gets_none() -> None:
    client = connected(layered([*RC, route("inline")]), ["rc"])
    client.request(ROUTE, ["inline"])
    assert said(client.settle()) == [("rds", ["inline"])]


def test_a_route_that_is_asked_for_again_gets_all_its_hosts_again_after_it() -> None:
    client = connected(layered([*RC, *RC2]), ["rc", "rc2"])
    client.request(ROUTE, unsubscribe=["rc"])
    client.request(ROUTE, ["rc"])
    assert said(client.fetch()) == [("rds", ["rc"]), ("vhds", ["rc/a", "rc/b"])]


def test_hosts_of_a_route_that_was_given_up_are_not_sent() -> None:
    old = layered([*RC, *RC2])
    client = connected(old, ["rc", "rc2"])
    client.request(ROUTE, unsubscribe=["rc"])
    client.stream.offer(layered([RC[0], host("rc/a", 1), RC[2], RC2[0], host("rc2/a", 1)], old))
    assert said(client.settle()) == [("vhds", ["rc2/a"])]


def test_a_changed_route_does_not_bring_its_hosts_again() -> None:
    old = layered(RC)
    client = connected(old, ["rc"])
    client.stream.offer(layered([route("rc", 1, vhds=True), *RC[1:]], old))
    assert said(client.settle()) == [("rds", ["rc"])]


def test_a_route_that_begins_to_use_vhds_gets_its_hosts() -> None:
    old = layered([*RC, route("rc2"), RC2[1]])
    client = connected(old, ["rc", "rc2"])
    client.stream.offer(layered([*RC, *RC2], old))
    assert said(client.settle()) == [("rds", ["rc2"]), ("vhds", ["rc2/a"])]


def test_a_route_that_was_refused_gets_all_its_hosts_with_the_next() -> None:
    client = delta(layered([RC2[0], RC2[1]]))
    client.request(ROUTE, ["rc", "rc2"])
    client.settle()
    client.request(VIRTUAL_HOST)
    client.settle()
    client.refuses = route("rc", 9, vhds=True).same
    client.stream.offer(layered([route("rc", 9, vhds=True), *RC[1:], *RC2]))
    client.settle()
    client.stream.offer(layered([*RC, *RC2]))
    assert said(client.settle()) == [("rds", ["rc"]), ("vhds", ["rc/a", "rc/b"])]


def test_an_unknown_on_demand_host_is_denied_by_alias() -> None:
    client = connected(layered(RC), ["rc"])
    client.request(VIRTUAL_HOST, ["rc/lazy.x"])
    (response,) = client.fetch()
    (item,) = response.resources
    assert (item.name, list(item.aliases), item.HasField("resource")) == ("rc/lazy.x", ["rc/lazy.x"], False)
    assert not response.removed_resources


def test_reconnect_sends_nothing() -> None:
    client = connected(layered([*RC, *RC2]), ["rc", "rc2"])
    stream = delta_stream()
    stream.offer(layered([*RC, *RC2]))
    client.reconnect(stream)
    assert client.settle() == []
    stream.offer(layered([*RC[:2], host("rc/b", 1), *RC2]))
    assert said(client.settle()) == [("vhds", ["rc/b"])]


def test_reconnect_sends_what_changed_and_removes_what_went() -> None:
    client = connected(layered([*RC, *RC2]), ["rc", "rc2"])
    stream = delta_stream()
    stream.offer(layered([route("rc", 1, vhds=True), host("rc/a", 1), *RC2]))
    client.reconnect(stream)
    assert said(client.settle()) == [("rds", ["rc"]), ("vhds", ["rc/a", "-rc/b"])]


def test_without_routes_on_the_stream_all_hosts_are_sent() -> None:
    client = delta(layered([*RC, *RC2]))
    client.request(VIRTUAL_HOST)
    assert said(client.settle()) == [("vhds", ["rc/a", "rc/b", "rc2/a"])]


def test_one_bad_host_harms_only_itself() -> None:
    old = layered(RC)
    client = connected(old, ["rc"])
    client.refuses = host("rc/b", 1).same
    client.stream.offer(layered([RC[0], host("rc/a", 1), host("rc/b", 1), host("rc/c")], old))
    client.settle()
    assert client.counted[VIRTUAL_HOST] == {
        "rc/a": host("rc/a", 1).version,
        "rc/b": host("rc/b").version,
        "rc/c": host("rc/c").version,
    }
    (rejection,) = client.stream.rejections
    assert rejection.resource.same(host("rc/b", 1))
    assert host("rc/b").same(rejection.last_good)


def test_hosts_at_odds_only_with_each_others_old_version_are_not_condemned() -> None:
    """A domain moves from rc/z to rc/a, and a third host is bad: alone, rc/a is good only after rc/z."""
    old = layered([RC[0], host("rc/a"), host("rc/m"), host("rc/z")])
    rejections = Rejections(10)
    client = delta()
    client.stream = delta_stream(rejections)
    client.stream.offer(old)
    client.request(ROUTE, ["rc"])
    client.settle()
    client.request(VIRTUAL_HOST)
    client.settle()
    moved = host("rc/z", 1).version

    def refuses(resource: Resource) -> bool:
        clash = resource.same(host("rc/a", 1)) and client.held[VIRTUAL_HOST]["rc/z"] != moved
        return clash or resource.same(host("rc/m", 1))

    client.refuses = refuses
    client.stream.offer(layered([RC[0], host("rc/a", 1), host("rc/m", 1), host("rc/z", 1)], old))
    client.reject = lambda response, bad: client.answer(response, error="clash")  # type: ignore[method-assign]
    client.settle()
    assert [rejection.resource.name for rejection in rejections] == ["rc/m"]
    assert client.counted[VIRTUAL_HOST]["rc/a"] == host("rc/a", 1).version


ROUTES = st.sampled_from(["r1", "r2", "r3"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("host"), ROUTES, st.sampled_from("ab"), st.integers(-1, 2)),
        st.tuples(st.just("route"), ROUTES, st.sampled_from(["vhds", "inline", "gone"])),
        st.tuples(st.just("ask"), ROUTES),
        st.tuples(st.just("drop"), ROUTES),
        st.tuples(st.just("read"), st.integers(1, 3)),
        st.tuples(st.just("settle")),
        st.tuples(st.just("reconnect")),
    ),
    max_size=30,
)


class Forgetful(DeltaClient):
    """Uses hosts only of route configurations with VHDS that it has; forgets them with those."""

    def covers(self, type_url: str, name: str) -> bool:
        if type_url != VIRTUAL_HOST:
            return super().covers(type_url, name)
        return self.held[ROUTE].get(name.rpartition("/")[0]) in WITH_VHDS

    def read(self) -> Delta:
        response = super().read()
        if response.type_url == ROUTE:
            self.forget()
            if any(version in WITH_VHDS for version in self.held[ROUTE].values()) and VIRTUAL_HOST not in self.started:
                self.request(VIRTUAL_HOST)
        return response

    def forget(self) -> None:
        for store in (self.held, self.counted):
            if VIRTUAL_HOST in store:
                kept = store[VIRTUAL_HOST].items()
                store[VIRTUAL_HOST] = {n: v for n, v in kept if self.covers(VIRTUAL_HOST, n)}


WITH_VHDS = {route(name, vhds=True).version for name in ("r1", "r2", "r3")}


class Scene:
    """A client, and a set that changes resource by resource."""

    def __init__(self) -> None:
        self.content = {name: route(name, vhds=True) for name in ("r1", "r2", "r3")}
        self.content |= {f"{name}/a": host(f"{name}/a") for name in ("r1", "r2", "r3")}
        self.offered = layered(self.content.values())
        self.client = Forgetful(delta_stream())
        self.client.stream.offer(self.offered)

    def host(self, rc: str, name: str, generation: int) -> None:
        self.put(f"{rc}/{name}", None if generation < 0 else host(f"{rc}/{name}", generation))

    def route(self, rc: str, kind: str) -> None:
        self.put(rc, None if kind == "gone" else route(rc, vhds=kind == "vhds"))

    def put(self, name: str, resource: Resource | None) -> None:
        if resource is None:
            self.content.pop(name, None)
        else:
            self.content[name] = resource
        self.offered = layered(self.content.values(), self.offered)
        self.client.stream.offer(self.offered)

    def ask(self, rc: str) -> None:
        if rc not in self.client.names.get(ROUTE, ()):
            self.client.request(ROUTE, [rc])

    def drop(self, rc: str) -> None:
        if rc in self.client.names.get(ROUTE, ()):
            self.client.request(ROUTE, unsubscribe=[rc])
            self.client.forget()

    def read(self, count: int) -> None:
        self.client.fetch()
        for _ in range(min(count, len(self.client.inbox))):
            self.client.read()

    def settle(self) -> None:
        self.client.settle()

    def reconnect(self) -> None:
        stream = delta_stream()
        stream.offer(self.offered)
        self.client.reconnect(stream)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_in_the_end_every_route_has_its_hosts(steps: list[tuple[str, ...]]) -> None:
    scene = Scene()
    for what, *how in steps:
        getattr(scene, what)(*how)
    scene.settle()
    for rc in scene.client.names.get(ROUTE, ()):
        wanted = scene.offered.get(ROUTE, rc)
        if wanted is None or wanted.version not in WITH_VHDS:
            continue
        hosts = [r for table in scene.offered.of(VIRTUAL_HOST) for r in table.values() if r.name.startswith(f"{rc}/")]
        held = {n: v for n, v in scene.client.held[VIRTUAL_HOST].items() if n.startswith(f"{rc}/")}
        assert held == {each.name: each.version for each in hosts}
