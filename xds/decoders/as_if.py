"""A snapshot as it would be, were one object another: for what is asked about objects that are not stored yet."""

from __future__ import annotations

from collections.abc import Iterable

from xds.decoders.build import in_order
from xds.decoders.row import Row
from xds.model.refs import ObjectRef
from xds.model.snapshot import Input, Rows, Snapshot, Table


def as_if(snapshot: Snapshot, ref: ObjectRef, rows: Iterable[Row], before: Iterable[Row] = ()) -> Snapshot:
    """``snapshot`` with these rows of ``ref`` in the place of those that it has there, and without those ``before``."""
    return changed_if(snapshot, ref, rows, before)[0]


def changed_if(
    snapshot: Snapshot, ref: ObjectRef, rows: Iterable[Row], before: Iterable[Row] = ()
) -> tuple[Snapshot, frozenset[Input]]:
    """The same, with every input that reads differently then."""
    new: dict[Input, list[object]] = {row.under: [] for row in before}
    for row in rows:
        new.setdefault(row.under, []).append(row.value)
    changes: dict[Input, Rows] = {}
    for under, values in new.items():
        others = [value for value in snapshot.read(under) if _author(value) != ref]
        changes[under] = tuple(values) if under.table is Table.MESH else in_order(under.table, [*others, *values])
    return snapshot.changed(changes)


def _author(value: object) -> object:
    return getattr(value, "ref", value)
