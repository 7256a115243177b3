"""What a change does to proxies: foretold from two sets of resources, said in a sentence with its cause."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.events import Event
from xds.generations.drained import Drained
from xds.model.refs import ObjectRef
from xds.planner.effect import Way, effect
from xds.planner.plan import drains, plan
from xds.wire import codec
from xds.wire.resource import Resource, ResourceSet

WEB = ObjectRef("", "Service", "shop", "web")
RULE = ObjectRef("networking.istio.io", "DestinationRule", "shop", "web")


def listener(*chains: dict[str, Any], **fields: Any) -> Resource:
    plain = {"name": "l", "filter_chains": list(chains), **fields}
    return Resource.of(codec.from_plain(plain, Listener()), provenance=[WEB])


def chain(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def cluster(timeout: str, *authors: ObjectRef) -> Resource:
    return Resource.of(codec.from_plain({"name": "c", "connect_timeout": timeout}, Cluster()), provenance=authors)


SLOW = {"transport_socket_connect_timeout": "3s"}
BEFORE = listener(chain("a"), chain("b"))


def test_only_the_chains_that_differ_drain() -> None:
    found = effect(BEFORE, listener(chain("a", **SLOW), chain("b")))
    assert (found.way, found.chains) == (Way.CHAINS_DRAIN, ("a",))
    assert found.said() == (
        "listener l: connections on 1 of 2 filter chains drain (a), "
        "as a.transport_socket_connect_timeout came (Service shop/web)"
    )


def test_a_listeners_own_field_drains_all_of_it() -> None:
    found = effect(BEFORE, listener(chain("a"), chain("b"), stat_prefix="x"))
    assert found.said() == "listener l: all its connections drain, as stat_prefix came (Service shop/web)"
    assert effect(BEFORE, None).way is Way.LISTENER_REMOVED
    assert effect(None, BEFORE).way is Way.IN_PLACE


def test_a_listener_that_keeps_only_its_default_chain_is_another() -> None:
    rest = {"default_filter_chain": chain("rest")}
    found = effect(listener(chain("a"), **rest), listener(**rest))
    assert found.said() == "listener l: all its connections drain, as a went (Service shop/web)"
    assert effect(listener(**rest), listener(chain("a"), **rest)).way is Way.IN_PLACE


def test_order_and_more_chains_touch_nothing() -> None:
    assert effect(BEFORE, listener(chain("b"), chain("c"), chain("a"))).way is Way.IN_PLACE


def test_the_objects_that_changed_are_named() -> None:
    before, after = cluster("1s", WEB), cluster("2s", WEB, RULE)
    found = effect(before, after)
    assert found.way is Way.CLUSTER_REPLACED
    assert found.authors == (RULE,)
    assert found.authors_among([WEB]) == (WEB,)
    assert "as connect_timeout changed (DestinationRule shop/web)" in found.said()


def test_proxies_to_which_the_same_happens_are_one_group() -> None:
    old, other = ResourceSet.single([BEFORE]), ResourceSet.single([BEFORE, cluster("1s")])
    new = listener(chain("a", **SLOW), chain("b"))
    after = {"p": ResourceSet.single([new]), "q": ResourceSet.single([new]), "r": other, "s": other}
    groups = plan({"p": old, "q": old, "r": other}, after)
    assert [(each.proxies, [effect.name for effect in each.effects]) for each in groups] == [(("p", "q"), ["l"])]
    assert [each.name for each in drains(old, after["p"])] == ["l"]


def test_what_drains_is_logged_once_a_generation_with_who_is_to_blame() -> None:
    drained, old = Drained(), ResourceSet.single([BEFORE])
    new = ResourceSet.single([listener(chain("a"), chain("b"), stat_prefix="x")])
    drained.changed([WEB])
    with capture_logs() as logged:
        for _ in range(3):
            drained.note(old, new)
        drained.tell()
        drained.tell()
    (event,) = logged
    assert (event["event"], event["listener"], event["proxies"]) == (Event.LISTENER_DRAINED, "l", 3)
    assert event["objects"] == ["Service shop/web"]


def test_very_many_are_not_all_logged() -> None:
    drained = Drained()
    many = [listener(chain(f"c{number}")) for number in range(30)]
    with capture_logs() as logged:
        for each in many:
            drained.note(ResourceSet.single([each]), ResourceSet.single([]))
        drained.tell()
    assert len(logged) == 11
    assert logged[-1]["more"] == 20
