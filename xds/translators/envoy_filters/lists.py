"""One operation of a patch on a list of named things: filters of a chain, routes of a virtual host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from xds.model.patch import Operation, Patch
from xds.translators.envoy_filters.merging import merge_over

M = TypeVar("M", bound=Message)


class Inapplicable(Exception):
    """A patch that means this place but cannot be applied to it; the text says why, for the user."""


def edit(
    items: Any,
    patch: Patch,
    value: Message,
    meant: Callable[[Any], bool] | None,
    *,
    terminal: bool = False,
) -> int:
    """Do what ``patch`` says to the repeated field ``items``; how many places it touched.

    ``meant`` tells the item that the patch names, None where it names none: then an operation on items means all of
    them, and one that adds means an end of the list. ``terminal`` is whether the last item must stay the last.
    Errors: Inapplicable.
    """
    found = [index for index, item in enumerate(items) if meant is None or meant(item)]
    if patch.operation.adds:
        if meant is not None and not found:
            return 0
        at = _place(patch.operation, len(items), found if meant is not None else (), terminal=terminal)
        _assign(items, [*items[:at], value, *items[at:]])
        return 1
    if patch.operation.merges:
        for index in found:
            merged_over(items[index], value, patch)
    elif patch.operation is Operation.REPLACE:
        for index in found:
            items[index].CopyFrom(value)
    elif found:
        _assign(items, [item for index, item in enumerate(items) if index not in set(found)])
    return len(found)


def merged_over(into: Message, value: Message, patch: Patch) -> None:
    """Merge ``value`` as the patch's operation says."""
    merge_over(into, value, replace_lists=patch.operation is Operation.MERGE_AND_REPLACE_LIST)


def _place(operation: Operation, length: int, named: Sequence[int], *, terminal: bool) -> int:
    last = length - 1 if terminal and length else length
    if operation is Operation.INSERT_FIRST:
        return 0
    if operation is Operation.INSERT_BEFORE:
        return named[0] if named else 0
    if operation is Operation.INSERT_AFTER and named:
        if named[-1] + 1 > last:
            raise Inapplicable("must stand before the last filter, which ends the chain; use INSERT_BEFORE")
        return named[-1] + 1
    return last


def _assign(items: Any, wanted: list[Any]) -> None:
    kept = []
    for item in wanted:  # items of the field itself die with it
        copy = type(item)()
        copy.CopyFrom(item)
        kept.append(copy)
    del items[:]
    items.extend(kept)
