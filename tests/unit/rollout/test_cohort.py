"""Who is first, and how many."""

from __future__ import annotations

from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.rollout.cohort import ordered, sizes


def proxy(name: str, app: str = "web", kind: str = "sidecar", **more: str) -> Proxy:
    return Proxy(name, kind=kind, namespace="shop", name=name, labels=labels({"app": app, **more}))


def test_sizes() -> None:
    assert [sizes(count) for count in (0, 1, 2, 20, 21, 200)] == [(), (1,), (1, 2), (1, 20), (1, 2, 21), (1, 10, 200)]


def test_the_order_is_the_same_for_the_same_pods() -> None:
    pods = [proxy(f"web-{number}") for number in range(20)]
    order = ordered(pods, pods, lambda _: False)
    assert sorted(each.name for each in order) == sorted(each.name for each in pods)
    assert order == ordered(reversed(pods), pods, lambda _: False)
    assert [each.name for each in order] != [each.name for each in pods]


def test_one_of_several_replicas_comes_before_one_that_is_alone_and_gateways_come_late() -> None:
    alone = [proxy(f"alone-{number}", app=f"alone-{number}") for number in range(9)]
    gateways = [proxy(f"gateway-{number}", app="gateway", kind="router") for number in range(9)]
    replicas = [proxy("web-a", **{"pod-template-hash": "1"}), proxy("web-b", **{"pod-template-hash": "2"})]
    everybody = [*alone, *gateways, *replicas]
    order = ordered(everybody, everybody, lambda _: False)
    assert {each.name for each in order[:2]} == {"web-a", "web-b"}
    assert all(each.kind == "router" for each in order[-9:])


def test_who_has_traffic_comes_first_as_nobody_else_can_tell() -> None:
    everybody = [*(proxy(f"web-{number}") for number in range(9)), proxy("busy", app="busy")]
    assert ordered(everybody, everybody, lambda each: each.name == "busy")[0].name == "busy"
