"""How two messages differ, field by field, in the form in which people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

Plain = Mapping[str, Any]

_NAMES: Final = ("name", "cluster_name", "domain")
_ABSENT: Final = object()


class FieldChange(NamedTuple):
    """One field that is other than before. ``before`` is None where it came, ``after`` where it went.

    ``path`` is as ``filters[envoy.filters.network.tcp_proxy].typed_config.cluster``: items of lists by name, or number.
    """

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path} came"
        return f"{self.path} went" if self.after is None else f"{self.path} changed"


def field_changes(before: Plain, after: Plain) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the fields; the innermost that says it all."""
    return tuple(_in_mappings(before, after, ""))


def _in_mappings(before: Plain, after: Plain, at: str) -> Iterator[FieldChange]:
    for key in dict.fromkeys((*before, *after)):
        yield from _between(before.get(key, _ABSENT), after.get(key, _ABSENT), _below(at, key))


def _below(at: str, key: str) -> str:
    step = f"[{key}]" if "." in key or "/" in key or "|" in key else f".{key}" if at else key
    return at + step


def _between(before: Any, after: Any, at: str) -> Iterator[FieldChange]:
    if before is _ABSENT or after is _ABSENT:
        yield FieldChange(at, None if before is _ABSENT else before, None if after is _ABSENT else after)
    elif before == after:
        return
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.get("@type") == after.get("@type"):
            yield from _in_mappings(before, after, at)
        else:
            yield FieldChange(at, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(before, after, at)
    else:
        yield FieldChange(at, before, after)


def _in_lists(before: Sequence[Any], after: Sequence[Any], at: str) -> Iterator[FieldChange]:
    old, new = _keyed(before), _keyed(after)
    if old is None or new is None:
        if len(before) == len(after) and all(isinstance(item, Mapping) for item in (*before, *after)):
            for number, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from _between(one, other, f"{at}[{number}]")
        else:
            yield FieldChange(at, before, after)
        return
    for key in dict.fromkeys((*old, *new)):
        yield from _between(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{at}[{key}]")
    if [key for key in old if key in new] != [key for key in new if key in old]:
        yield FieldChange(at, list(old), list(new))


def _keyed(items: Sequence[Any]) -> dict[str, Any] | None:
    """The items by name, where each has one of its own; by address, where they are endpoints."""
    found: dict[str, Any] = {}
    for item in items:
        key = _name_of(item)
        if key is None or key in found:
            return None
        found[key] = item
    return found


def _name_of(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    for field in _NAMES:
        if isinstance(item.get(field), str):
            return str(item[field])
    address = item.get("endpoint", {}).get("address", {}).get("socket_address")
    if isinstance(address, Mapping):
        return f"{address.get('address', '')}:{address.get('port_value', '')}"
    return None
