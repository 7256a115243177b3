"""Whose conditions are written, and when."""

from __future__ import annotations

from collections.abc import Mapping

from xds.controllers.conditions import conditions
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.controllers.turns import OBJECTS_A_ROUND, Turns, Wanted
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef
from xds.slices import at_once


def ref(name: str = "reviews") -> ObjectRef:
    return ObjectRef("networking.istio.io", "VirtualService", "shop", name)


def wanted(live: int, total: int, *, generation: int = 1, rejected: bool = False, wrong: bool = False) -> Wanted:
    told = (RejectedBy("web.shop", "no", "r"),) if rejected else ()
    problems = [Problem(FieldRef(ref()), "field.integer", "is wrong")] if wrong else []
    return Wanted(conditions(problems, LiveCount(live, total, told, generation), generation=generation))


class World:
    """Turns, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = Turns({}, self.now)

    def written_after(self, seconds: float, want: Wanted) -> bool:
        """Whether that is written when it has been wanted for so long, in steps of half a second."""
        for _ in range(int(seconds * 2)):
            if self.round({ref(): want}):
                return True
            self.now += 0.5
        return bool(self.round({ref(): want}))

    def round(self, want: Mapping[ObjectRef, Wanted]) -> list[ObjectRef]:
        due = at_once(self.turns.due(want, self.now))
        for each in due:
            self.turns.says(each, want[each], self.now)
        return due


def test_what_follows_proxies_must_last_all_else_is_written_at_once() -> None:
    world = World()
    assert world.written_after(0, wanted(3, 3))
    world.now += 60
    assert not world.written_after(60, wanted(3, 3)), "nothing is new"
    assert not world.written_after(4, wanted(3, 4)), "a proxy has come"
    assert not world.written_after(4, wanted(3, 3)), "and has gone before it was told"
    assert not world.written_after(4, wanted(3, 4))
    assert world.written_after(1, wanted(3, 4)), "this one stays behind"
    world.now += 1
    assert world.written_after(0, wanted(4, 4)), "all have it"
    world.now += 1
    assert world.written_after(0, wanted(3, 4, rejected=True))
    world.now += 1
    assert world.written_after(0, wanted(0, 4, generation=2)), "another content"
    world.now += 1
    assert world.written_after(0, wanted(0, 4, generation=2, wrong=True))


def test_after_a_restart_proxies_have_time_to_come_back() -> None:
    world = World()
    assert world.written_after(0, wanted(3, 3))
    for count in (wanted(0, 0), wanted(0, 1), wanted(1, 2), wanted(3, 3)):
        assert not world.written_after(4, count)
    assert not world.written_after(0, wanted(2, 4))


def test_one_object_is_not_written_twice_a_second_and_many_have_their_turns() -> None:
    world = World()
    assert world.written_after(0, wanted(0, 1))
    world.now += 0.5
    assert not world.written_after(0, wanted(1, 1))
    assert world.written_after(0.5, wanted(1, 1))
    many = {ref(f"r{n}"): wanted(1, 1) for n in range(3 * OBJECTS_A_ROUND)}
    rounds = [world.round(many) for _ in range(4)]
    assert [len(each) for each in rounds] == [OBJECTS_A_ROUND] * 3 + [0]
    assert len({each for found in rounds for each in found}) == len(many)


def test_what_is_postponed_waits() -> None:
    world = World()
    world.turns.postpone(ref(), world.now + 30)
    assert not world.written_after(29, wanted(1, 1))
    assert world.written_after(1, wanted(1, 1))
