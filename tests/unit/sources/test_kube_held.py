"""What is held of a kind, and which lists are believed; retries; where kinds are read."""

from __future__ import annotations

import pytest

from xds.model.refs import ObjectRef
from xds.sources.kube_held import CONFIRM_S, Held, doubtful
from xds.sources.kube_kinds import watched_kinds
from xds.sources.kube_retries import backoff_s

LATER_S = CONFIRM_S + 0.1


def refs(*numbers: int) -> list[ObjectRef]:
    return [ObjectRef("", "Service", "shop", f"s-{number}") for number in numbers]


def holding(count: int) -> Held:
    held = Held()
    for ref in refs(*range(count)):
        held.put(ref, "1")
    return held


@pytest.mark.parametrize(
    ("held", "listed", "wrong"),
    [(0, 0, False), (1, 0, True), (4, 1, False), (5, 2, True), (5, 3, False), (100, 50, False), (100, 49, True)],
)
def test_lists_that_look_wrong(held: int, listed: int, wrong: bool) -> None:
    assert doubtful(held, listed) is wrong


def test_what_few_objects_lack_is_gone_at_once() -> None:
    held = holding(10)
    assert held.settle(refs(*range(8)), 0.0) == refs(8, 9)
    assert held.versions.keys() == set(refs(*range(8)))


def test_an_empty_list_is_believed_when_a_second_one_says_so() -> None:
    held = holding(3)
    assert held.settle([], 0.0) == []
    assert held.doubted == 3
    assert held.settle([], 1.0) == []
    assert held.settle([], LATER_S) == refs(0, 1, 2)
    assert held.doubted == 0
    assert not held.versions


def test_objects_that_come_back_were_never_gone() -> None:
    held = holding(10)
    assert held.settle(refs(0), 0.0) == []
    assert held.settle(refs(*range(10)), LATER_S) == []
    assert held.doubted == 0


def test_a_second_list_that_lacks_much_more_is_doubted_itself() -> None:
    held = holding(100)
    assert held.settle(refs(*range(40)), 0.0) == []
    assert held.settle([], LATER_S) == []
    assert held.doubted == 100
    assert len(held.settle([], 2 * LATER_S)) == 100


def test_what_an_event_says_is_believed_at_once() -> None:
    held = holding(10)
    held.settle([], 0.0)
    assert held.drop(refs(3)[0])
    assert not held.drop(refs(3)[0])
    held.put(refs(4)[0], "2")
    assert held.doubted == 8
    assert len(held.settle(refs(4), LATER_S)) == 8


def test_other_objects_in_their_place_are_no_doubt() -> None:
    held = holding(10)
    listed = refs(*range(10, 20))
    assert len(held.settle(listed, 0.0)) == 10


@pytest.mark.parametrize("failures", [1, 2, 5, 10, 1000])
def test_retries_are_bounded(failures: int) -> None:
    assert all(0.05 <= backoff_s(failures) <= min(30, 0.5 * 2 ** min(failures, 20)) for _ in range(50))


def test_what_is_read_and_where() -> None:
    watched = {str(each.kind): each for each in watched_kinds("istio-system", "default")}
    assert watched["pods"].path("v1") == "/api/v1/pods"
    assert watched["pods"].parameters == {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
    routes = watched["virtualservices.networking.istio.io"]
    assert routes.path("v1beta1") == "/apis/networking.istio.io/v1beta1/virtualservices"
    assert watched["configmaps"].path("v1") == "/api/v1/namespaces/istio-system/configmaps"
    assert watched["configmaps"].parameters == {"fieldSelector": "metadata.name=istio"}
    canary = {str(each.kind): each for each in watched_kinds("mesh", "canary")}["configmaps"]
    assert (canary.namespace, canary.field_selector) == ("mesh", "metadata.name=istio-canary")
    assert 'resources ["pods"]' in watched["pods"].rule
