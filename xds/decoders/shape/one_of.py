"""Fields of which only one may be set (the oneofs of Istio's messages), checked on structs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from xds.decoders.shape.faults import Fault, listed
from xds.decoders.shape.positions import Path
from xds.kinds.exclusive import ONE_OF


def one_of(value: msgspec.Struct, path: Path = ()) -> Iterator[Fault]:
    """The fields that are set beside another that excludes them, anywhere in ``value``."""
    struct = type(value)
    for group in ONE_OF.get(struct, ()):
        given = [name for name in group if _is_set(value, name)]
        for extra in given[1:]:
            yield Fault(
                (*path, extra),
                "field.one-of",
                f"cannot stand beside {given[0]!r}: only one of {listed(list(group), 'and')} may be set",
            )
    for attribute, name in _fields(struct):
        below = getattr(value, attribute)
        if isinstance(below, msgspec.Struct):
            yield from one_of(below, (*path, name))
        elif below and isinstance(below, tuple | dict):
            yield from _entries(below, (*path, name))


def _entries(entries: Any, path: Path) -> Iterator[Fault]:
    """The same for each struct in a list or mapping."""
    pairs = entries.items() if isinstance(entries, dict) else enumerate(entries)
    for key, entry in pairs:
        if not isinstance(entry, msgspec.Struct):
            return
        yield from one_of(entry, (*path, key))


def _is_set(value: msgspec.Struct, name: str) -> bool:
    """Whether the field with the JSON name ``name`` was given something else than its default."""
    attribute, default = _group_fields(type(value))[name]
    found: object = getattr(value, attribute)
    return bool(found != default)


@cache
def _group_fields(struct: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    """Attribute and default of each field, by JSON name."""
    return {field.encode_name: (field.name, field.default) for field in msgspec.structs.fields(struct)}


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """Attribute and JSON name of each field."""
    return tuple(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
