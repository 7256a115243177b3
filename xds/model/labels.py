"""Labels as immutable values; a selector matches when its labels are a subset of an object's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Labels = frozenset[tuple[str, str]]

NO_LABELS: Labels = frozenset()


def labels(pairs: Mapping[str, str] | None) -> Labels:
    """The labels in ``pairs``, as a value; none when it is None."""
    return frozenset(pairs.items()) if pairs else NO_LABELS


def first_of(pairs: Mapping[str, str], keys: Iterable[str]) -> str:
    """The value of the first of these labels that has one; ``""`` where none has."""
    return next((pairs[key] for key in keys if pairs.get(key)), "")


def value_of(these: Labels, key: str) -> str:
    """The value of a label, ``""`` where it is not there."""
    return next((value for name, value in these if name == key), "")


def only(these: Labels, keys: frozenset[str]) -> Labels:
    """Those labels whose key is in ``keys``: what is left when nothing else is ever asked for."""
    return frozenset(pair for pair in these if pair[0] in keys)
