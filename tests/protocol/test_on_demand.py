"""Virtual hosts that a client asks for one by one: each is answered, by alias, when the set has it or never will."""

from __future__ import annotations

from collections.abc import Iterable

from tests.protocol.clients import Delta, DeltaClient, cluster, delta, delta_stream, endpoints, layered, plain, route
from xds.server.settings import ServerSettings
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST, short

PATIENT = ServerSettings(on_demand_wait_s=2.0)
TABLE = route("80", vhds=True)


def host(name: str, generation: int = 0) -> Resource:
    return plain(VIRTUAL_HOST, f"80/{name}", generation)


def said(responses: Iterable[Delta]) -> list[tuple[str, list[str]]]:
    """Each response's type and what it says: names with their aliases, ``!`` without a body, ``-`` removed."""
    found = []
    for each in responses:
        items = [
            f"{'' if item.HasField('resource') else '!'}{item.name}{''.join(f' ={alias}' for alias in item.aliases)}"
            for item in each.resources
        ]
        found.append((short(each.type_url), [*items, *(f"-{name}" for name in each.removed_resources)]))
    return found


def connected(*resources: Resource) -> tuple[DeltaClient, ResourceSet]:
    served = layered([TABLE, *resources])
    client = delta(served, PATIENT)
    for type_url in (CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST):
        client.request(type_url, ["80"] if type_url == ROUTE else ["c"] if type_url == ENDPOINT else [])
        client.settle()
    return client, served


def test_what_is_there_is_answered_at_once_by_alias() -> None:
    client, _ = connected(host("a"))
    client.request(VIRTUAL_HOST, ["80/a"])
    assert said(client.settle()) == [("vhds", ["80/a =80/a"])]
    assert client.stream.deadline() is None


def test_who_asks_with_a_port_is_answered_by_that_name() -> None:
    client, served = connected()
    client.request(VIRTUAL_HOST, ["80/a:80", "80/a", "80/a:81"])
    assert client.settle() == []
    client.stream.offer(layered([TABLE, host("a")], served))
    assert said(client.settle()) == [("vhds", ["80/a =80/a =80/a:80 =80/a:81"])]


def test_what_is_asked_for_is_told_once() -> None:
    client, _ = connected()
    client.request(VIRTUAL_HOST, ["80/a", "80/b"])
    assert client.stream.take_asked() == {"80/a", "80/b"}
    assert client.stream.take_asked() == frozenset()


def test_what_never_comes_is_denied_in_the_end() -> None:
    client, _ = connected(host("b"))
    client.now = 10.0
    client.request(VIRTUAL_HOST, ["80/a"])
    assert client.settle() == []
    assert client.stream.deadline() == 12.0
    client.now = 12.0
    assert said(client.settle()) == [("vhds", ["!80/a =80/a"])]
    assert client.stream.deadline() is None


def test_what_was_denied_may_come_later() -> None:
    client, served = connected()
    client.request(VIRTUAL_HOST, ["80/a"])
    client.now = 3.0
    client.settle()
    client.stream.offer(layered([TABLE, host("a")], served))
    assert said(client.settle()) == [("vhds", ["80/a"])]


def test_others_do_not_wait_for_what_one_has_asked_for() -> None:
    client, served = connected(host("b"))
    client.request(VIRTUAL_HOST, ["80/a"])
    client.stream.offer(layered([TABLE, host("b", 1)], served))
    assert said(client.settle()) == [("vhds", ["80/b"])]


def test_the_answer_waits_for_its_clusters() -> None:
    client, served = connected(cluster("b", eds=False))
    client.request(VIRTUAL_HOST, ["80/a"])
    grown = [cluster("b", eds=False), cluster("c"), endpoints("c")]
    client.stream.offer(layered([TABLE, host("a"), *grown], served))
    assert [kind for kind, _ in said(client.fetch())] == ["cds", "eds"]
    client.read()
    assert client.fetch() == []
    client.read()
    assert said(client.settle()) == [("vhds", ["80/a =80/a"])]


def test_a_new_server_takes_nothing_away_before_it_knows_what_is_wanted() -> None:
    everything = [host("a"), cluster("c"), endpoints("c")]
    client, _ = connected(*everything)
    client.request(VIRTUAL_HOST, ["80/a"])
    client.settle()
    second = delta_stream(settings=PATIENT)
    client.reconnect(second)
    empty = layered([TABLE])
    second.offer(empty)
    before = {kind: dict(held) for kind, held in client.held.items()}
    assert client.settle() == []
    second.offer(layered([TABLE, *everything], empty))
    assert said(client.settle()) == [("vhds", ["80/a =80/a"])]  # a request may have waited all the time
    client.now = 10.0
    assert client.settle() == []
    assert client.held == before


def test_a_new_server_removes_what_it_has_not_after_a_while() -> None:
    client, _ = connected(host("a"), host("b"), cluster("c"), endpoints("c"))
    client.request(VIRTUAL_HOST, ["80/a"])
    client.settle()
    second = delta_stream(settings=PATIENT)
    second.offer(layered([TABLE]))
    client.reconnect(second)
    assert client.settle() == []
    assert second.deadline() == 2.0
    client.now = 2.0
    assert ("vhds", ["!80/a =80/a", "-80/b"]) in said(client.settle())
    assert client.held[CLUSTER] == {}


def returned(*held: Resource, now: Iterable[Resource] = ()) -> DeltaClient:
    """A client that was sent ``held`` unasked, and has come to a new server, which has ``now``."""
    client, _ = connected(*held)
    second = delta_stream(settings=PATIENT)
    second.offer(layered([TABLE, *now]))
    client.reconnect(second)
    return client


def test_a_new_server_is_told_what_was_sent_unasked() -> None:
    client = returned(host("a"), host("b"), host("b:80"), now=[host("b")])
    assert said(client.settle()) == [("cds", []), ("vhds", ["-80/b:80"])]
    assert client.stream.take_asked() == {"80/a"}  # what has a port in its name is of a set of everything
    assert client.stream.deadline() == 2.0  # until then clusters stay, too
    client.stream.offer(layered([TABLE, host("a"), host("b")]))
    assert client.settle() == []
    assert client.stream.deadline() is None
    client.now = 10.0
    assert client.settle() == []
    assert client.stream.take_asked() == frozenset()
    assert client.held[VIRTUAL_HOST].keys() == {"80/a", "80/b"}


def test_what_was_sent_unasked_and_never_comes_goes_in_the_end() -> None:
    client = returned(host("a"), host("b"), now=[host("b")])
    assert said(client.settle()) == [("cds", [])]
    client.now = 2.0
    assert said(client.settle()) == [("vhds", ["-80/a"])]
    assert client.stream.deadline() is None


def test_a_new_server_is_told_no_more_than_may_be_asked_for() -> None:
    client, _ = connected(*[host(f"a{number}") for number in range(9)])
    second = delta_stream(settings=ServerSettings(on_demand_wait_s=2.0, max_names=3))
    second.offer(layered([TABLE]))
    client.reconnect(second)
    client.settle()
    assert len(second.take_asked()) == 3


def test_nothing_stays_beside_a_set_of_everything() -> None:
    client, served = connected(host("a"))
    client.request(VIRTUAL_HOST, ["80/b"])
    assert client.settle() == []
    client.stream.offer(layered([TABLE, host("a.shop:80")], served))
    assert said(client.settle()) == [("vhds", ["80/a.shop:80", "!80/b =80/b", "-80/a"])]
    assert client.stream.deadline() is None


def test_a_new_server_with_everything_is_told_nothing() -> None:
    client = returned(host("a"), now=[host("a.shop:80")])
    assert said(client.settle())[1:] == [("vhds", ["80/a.shop:80", "-80/a"])]
    assert client.stream.take_asked() == frozenset()


def test_who_no_longer_asks_is_not_answered() -> None:
    client, _ = connected()
    client.request(VIRTUAL_HOST, ["80/a"])
    client.settle()
    client.request(VIRTUAL_HOST, [], ["80/a"])
    client.settle()
    client.now = 3.0
    client.settle()
    assert client.stream.deadline() is None


def test_what_waits_is_answered_although_the_subscription_ends() -> None:
    """Envoy gives up all names of a route table that it takes in with another source, but not the waiting requests."""
    client, served = connected(host("b"))
    client.request(VIRTUAL_HOST, ["80/a", "80/b", "80/none"])
    assert said(client.settle()) == [("vhds", ["80/b =80/b"])]
    client.request(VIRTUAL_HOST, unsubscribe=["80/a", "80/b", "80/none"])
    client.settle()
    client.stream.offer(layered([TABLE, host("a"), host("b")], served))
    assert said(client.settle()) == [("vhds", ["80/a =80/a"])]
    client.now = 3.0
    assert said(client.settle()) == [("vhds", ["!80/none =80/none"])]


def test_what_expires_is_removed_and_may_be_asked_for_again() -> None:
    client, served = connected(host("a"), host("b"))
    client.request(VIRTUAL_HOST, ["80/a", "80/b"])
    client.settle()
    fewer = layered([route("80", vhds=True, generation=1), host("b")], served)
    client.stream.offer(fewer)
    client.settle()
    client.request(VIRTUAL_HOST, unsubscribe=["80/a", "80/b"])
    rest = said(client.settle())
    assert [name for _, names in rest for name in names if name.startswith("-")] == ["-80/a"]
    client.request(VIRTUAL_HOST, ["80/a"])
    assert client.settle() == []
    client.stream.offer(layered([route("80", vhds=True, generation=1), host("a"), host("b")], fewer))
    assert said(client.settle()) == [("vhds", ["80/a =80/a"])]
