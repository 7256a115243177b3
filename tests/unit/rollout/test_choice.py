"""Whose turn it is."""

from __future__ import annotations

from xds.model.refs import ObjectRef
from xds.rollout.choice import Choice


def ref(namespace: str, name: str = "web") -> ObjectRef:
    return ObjectRef("networking.istio.io", "DestinationRule", namespace, name)


A, A2, B, C = ref("a"), ref("a", "other"), ref("b"), ref("c")


def test_what_waits_rolls_out_together() -> None:
    assert Choice().chosen([B, A]) == (A, B)


def test_who_has_edited_what_rolled_out_comes_after_others() -> None:
    choice = Choice()
    choice.last = {"a"}
    assert choice.chosen([A, A2]) == (A2, A)  # nobody else waits
    choice.last = {"a"}
    assert choice.chosen([A, B, C]) == (B, C)
    assert choice.chosen([A, B]) == (B,), "and again, until it had its turn"
    assert choice.chosen([A]) == (A,)
    assert choice.chosen([A, B]) == (A, B)


def test_what_came_back_together_goes_by_namespaces() -> None:
    choice = Choice()
    choice.came_back([A, A2, B])
    assert choice.chosen([A, A2, B, C]) == (C,)
    assert choice.chosen([A, A2, B]) == (A2, A)
    assert choice.chosen([B]) == (B,)
    assert choice.chosen([A, B]) == (A,), "B is still to be tried by itself"
