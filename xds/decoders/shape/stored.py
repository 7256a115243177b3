"""Objects as they are kept on disk, and read again: JSON of their structs, and only what reads back the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec

from xds.kinds.quantities import decode_hook, format_duration
from xds.kinds.registry import BY_GROUP_KIND
from xds.model.object import Object
from xds.model.refs import ObjectRef, Origin

_SECRET: Final = ("", "Secret")


class Entry(msgspec.Struct, frozen=True):
    """One object: its name, its place, its struct as JSON types."""

    group: str
    kind: str
    namespace: str
    name: str
    origin: str
    resource_version: str
    generation: int
    struct: Any


class NotTheSame(ValueError):
    """An object would read back as another."""


def entry(found: Object[Any]) -> Entry | None:
    """What is kept of an object; None for a Secret, which is kept nowhere. Errors: NotTheSame."""
    ref = found.ref
    if (ref.group, ref.kind) == _SECRET:
        return None
    plain = _plain(msgspec.to_builtins(found.struct, builtin_types=(timedelta,)))
    version, name = found.origin.resource_version, found.origin.source
    made = Entry(ref.group, ref.kind, ref.namespace, ref.name, name, version, found.generation, plain)
    if ref.cluster or read_back(made).struct != found.struct:
        raise NotTheSame(str(ref))
    return made


def read_back(kept: Entry) -> Object[Any]:
    """The object that was kept. Errors: msgspec.ValidationError, KeyError for what is of another version."""
    struct = msgspec.convert(kept.struct, BY_GROUP_KIND[kept.group, kept.kind], dec_hook=decode_hook)
    ref = ObjectRef(kept.group, kept.kind, kept.namespace, kept.name)
    return Object(ref, struct, Origin(kept.origin, 0, kept.resource_version), kept.generation)


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
