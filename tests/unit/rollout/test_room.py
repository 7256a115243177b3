"""Room: bounded for each namespace and in all."""

from __future__ import annotations

from xds.rollout.room import Room


def test_room_is_bounded_for_each_and_in_all() -> None:
    room = Room(2, 3)
    assert [room.take("a") for _ in range(3)] == [True, True, False]
    assert [room.take("b") for _ in range(2)] == [True, False]
    room.give_back("a", 2)
    assert [room.take("b") for _ in range(2)] == [True, False]
    assert [room.take("c") for _ in range(2)] == [True, False]
