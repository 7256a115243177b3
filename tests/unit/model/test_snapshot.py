"""Snapshots: whatever changes, the keys of a table are told in order, as if they were sorted anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xds.model.snapshot import ALL, Input, Snapshot, Table

NAMES = st.text("abcde", min_size=1, max_size=2)
CHANGES = st.lists(st.dictionaries(NAMES, st.booleans(), max_size=60), max_size=6)


@given(CHANGES)
def test_keys_are_in_order_after_any_changes(changes: list[dict[str, bool]]) -> None:
    snapshot, every = Snapshot(), Input(Table.NODE, ALL)
    for there in changes:
        before = snapshot.read(every)
        snapshot, inputs = snapshot.changed(
            {Input(Table.NODE, name): (name,) if kept else () for name, kept in there.items()}
        )
        assert snapshot.read(every) == tuple(sorted(snapshot.keys(Table.NODE)))
        assert (every in inputs) == (snapshot.read(every) != before)
