"""What is held back, what is let through, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.objects import made
from xds.model.object import Object
from xds.model.refs import ObjectRef
from xds.rollout.held import HeldObjects, State
from xds.rollout.kept import Kept, digest_of
from xds.sources.changes import Changed, Replaced
from xds.sources.store import ObjectStore

RULE = ObjectRef("networking.istio.io", "DestinationRule", "shop", "web")
POD = ObjectRef("", "Pod", "shop", "web")


def rule(host: str, said: str | None = "staged") -> Object[Any]:
    annotations = {} if said is None else {"plait.dev/rollout": said}
    metadata = {"name": "web", "namespace": "shop", "annotations": annotations}
    return made(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": metadata,
            "spec": {"host": host},
        }
    )


class World:
    def __init__(self, *first: Object[Any], mode: str = "marked", kept: Mapping[ObjectRef, Kept] | None = None) -> None:
        self.store = ObjectStore(["test"])
        self.objects = HeldObjects(self.store, mode, kept or {})
        touched = self.store.apply(Replaced("test", first))
        self.first = self.objects.sorted_out(touched)

    def disturbed(self) -> bool:
        return bool(self.objects.disturbed)

    def releasing(self) -> bool:
        return bool(self.objects.releasing)

    def told(self, *upserts: Object[Any], deletes: tuple[ObjectRef, ...] = ()) -> list[ObjectRef]:
        """What is let through of a change."""
        touched = self.store.apply(Changed("test", upserts, deletes))
        return [ref for ref, _ in self.objects.sorted_out(touched)]


@pytest.mark.parametrize(
    ("mode", "said", "held"),
    [
        ("marked", "staged", True),
        ("marked", None, False),
        ("marked", "at-once", False),
        ("marked", "Staged", False),
        ("all", None, True),
        ("all", "staged", True),
        ("all", "at-once", False),
        ("off", "staged", False),
    ],
)
def test_what_is_held_back(mode: str, said: str | None, held: bool) -> None:
    world = World(rule("a", said), mode=mode)
    assert world.first
    assert world.told(rule("b", said)) == ([] if held else [RULE])
    assert (RULE in world.objects.held) is held


def security(kind: str, said: str | None) -> Object[Any]:
    metadata = {"name": "web", "namespace": "shop", "annotations": {} if said is None else {"plait.dev/rollout": said}}
    return made({"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": {}})


@pytest.mark.parametrize("kind", ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"])
@pytest.mark.parametrize(
    ("mode", "said", "held"),
    [
        ("all", None, False),
        ("all", "at-once", False),
        ("all", "stagged", False),
        ("all", "staged", True),
        ("marked", None, False),
        ("marked", "staged", True),
        ("off", "staged", False),
    ],
)
def test_security_is_staged_only_where_it_says_so_itself(kind: str, mode: str, said: str | None, held: bool) -> None:
    world, ref = World(mode=mode), ObjectRef("security.istio.io", kind, "shop", "web")
    assert world.told(security(kind, said)) == ([] if held else [ref])
    assert (ref in world.objects.held) is held
    world = World(security(kind, said), mode=mode)
    assert world.told(deletes=(ref,)) == ([] if held else [ref])


def test_all_of_a_first_generation_goes_through() -> None:
    world = World(rule("a"))
    assert [ref for ref, _ in world.first] == [RULE]
    assert not world.objects.held


def test_new_and_deleted_objects_are_changes() -> None:
    world = World()
    assert world.told(rule("a")) == []
    assert world.objects.held[RULE].good is None
    world = World(rule("a"))
    assert world.told(deletes=(RULE,)) == []
    assert world.objects.held[RULE].new is None


def test_what_is_as_it_was_is_no_change() -> None:
    world = World(rule("a"))
    world.told(rule("b"))
    assert world.told(rule("a")) == [RULE]
    assert not world.objects.held
    world = World()
    world.told(rule("a"))
    assert world.told(deletes=(RULE,)) == [RULE]
    assert not world.objects.held


def test_who_takes_the_mark_away_lets_it_through() -> None:
    world = World(rule("a"))
    world.told(rule("b"))
    assert world.told(rule("b", None)) == [RULE]
    assert not world.objects.held


def test_an_edit_of_what_rolls_out_disturbs_it_and_one_of_what_waits_does_not() -> None:
    world = World(rule("a"))
    world.told(rule("b"))
    assert not world.disturbed()
    world.told(rule("c"))
    assert not world.disturbed()
    world.objects.turn([RULE], State.ROLLING)
    assert world.objects.sorted_out([RULE]) == []  # nothing new
    assert not world.disturbed()
    world.told(rule("d"))
    assert world.disturbed()
    assert world.objects.held[RULE].state is State.WAITING


def test_what_is_released_goes_through_if_it_is_still_what_was_tried() -> None:
    world = World(rule("a"))
    world.told(rule("b"))
    world.objects.turn([RULE], State.ROLLING)
    world.objects.release([RULE])
    assert world.releasing()
    assert [ref for ref, _ in world.objects.sorted_out([RULE])] == [RULE]
    assert not world.releasing()
    assert not world.objects.held
    assert not world.disturbed()
    world.told(rule("c"))
    world.objects.turn([RULE], State.ROLLING)
    world.objects.release([RULE])
    assert world.told(rule("d")) == []
    assert world.objects.held[RULE].state is State.WAITING


def test_what_came_back_stays_back_until_it_changes() -> None:
    world = World(rule("a"))
    world.told(rule("b"))
    world.objects.turn([RULE], State.ABORTED, "50% fail")
    assert world.objects.sorted_out([RULE]) == []
    assert world.objects.held[RULE].reason == "50% fail"
    world.told(rule("c"))
    assert world.objects.held[RULE].state is State.WAITING
    good = world.objects.held[RULE].good
    assert good is not None
    assert good.struct == rule("a").struct


def test_after_a_restart_the_last_good_version_is_served() -> None:
    kept = {RULE: Kept(digest_of(rule("b")), rule("a"), "50% fail")}
    world = World(rule("b"), kept=kept)
    assert [(ref, each and each.struct) for ref, each in world.first] == [(RULE, rule("a").struct)]
    assert (world.objects.held[RULE].state, world.objects.held[RULE].reason) == (State.ABORTED, "50% fail")
    world = World(rule("c"), kept=kept)  # another by now: it is tried
    assert world.objects.held[RULE].state is State.WAITING
    world = World(rule("c", None), kept=kept)
    assert not world.objects.held
    world = World(rule("b"), kept={RULE: Kept(digest_of(rule("b")), None, "")})  # it was new
    assert world.first == []
    world = World(kept={RULE: Kept("", rule("a"), "")})  # it was deleted
    assert [ref for ref, _ in world.first] == [RULE]


def test_facts_are_never_held_back() -> None:
    pod = made({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {}})
    world = World(mode="all")
    assert world.told(pod) == [POD]
    assert world.told(deletes=(POD,)) == [POD]


def test_a_word_that_says_nothing_is_found() -> None:
    world = World(rule("a", "stagged"))
    assert world.objects.misspelt == {RULE: "stagged"}
    world.told(rule("a"))
    assert not world.objects.misspelt
