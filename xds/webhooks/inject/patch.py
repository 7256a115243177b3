"""The difference of two JSON documents as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xds.webhooks.inject.plain import Json


def json_patch(before: Any, after: Any) -> list[Json]:
    """The operations that make ``before`` into ``after``: fields of objects one by one, lists as a whole."""
    return list(_operations("", before, after))


def _operations(path: str, before: Any, after: Any) -> Iterator[Json]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        if not _same(before, after):
            yield {"op": "replace", "path": path, "value": after}
        return
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_token(key)}"}
    for key, value in after.items():
        below = f"{path}/{_token(key)}"
        if key not in before:
            yield {"op": "add", "path": below, "value": value}
        else:
            yield from _operations(below, before[key], value)


def _same(one: Any, other: Any) -> bool:
    """Whether they are the same JSON: Python takes true for 1."""
    return one == other and repr(one) == repr(other)


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
