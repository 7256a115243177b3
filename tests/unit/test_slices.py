"""Work in slices: what comes out, and where it may be interrupted."""

from __future__ import annotations

from xds.slices import at_once, in_slices, listed, taken


async def test_a_list_is_made_bit_by_bit() -> None:
    assert sum(1 for _ in listed(range(120))) == 2
    assert at_once(listed(range(120))) == list(range(120))
    assert await in_slices(listed(range(120))) == list(range(120))


def test_what_is_taken_is_gone_from_the_list() -> None:
    left = [1, 2, 3]
    found = taken(left)
    assert (next(found), len(left)) == (1, 2)
    assert [*found] == [2, 3]
    assert not left
