"""All rules of a message and of what is in it, compiled once a type: what Envoy would refuse unread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from xds.validation import load_assignment
from xds.validation.values import Rules, Test, test_of
from xds.wire.codec import UnknownType, message_class

Found = list[tuple[tuple[str | int, ...], str]]
Check = Callable[[Any], Found | None]
"""What is wrong in a value, with the way there; None where nothing is."""

_ANY: Final = "google.protobuf.Any"
_DURATION: Final = "google.protobuf.Duration"
_NUMBER_KINDS: Final = ("uint32", "uint64", "int32", "int64", "float", "double", "bool", "string", "bytes", "enum")
_WRAPPED: Final = ("UInt32", "UInt64", "Int32", "Int64", "Float", "Double", "Bool", "String", "Bytes")
_WRAPPERS: Final = frozenset(f"google.protobuf.{kind}Value" for kind in _WRAPPED)
# What an int64 has in nanoseconds: Envoy's longest duration.
_LONGEST_S: Final = 9_223_372_036
# An Any of more bytes is checked each time that it is met.
_REMEMBERED_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a message breaks: ``path`` as ``filter_chains[0].filters``, and what must be there."""

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}" if self.path else self.rule


def violations(message: Message) -> tuple[Violation, ...]:
    """What is wrong with ``message`` and with all that is in it, in the order of its fields; none: Envoy may take it.

    The content of an Any is looked into where its type is one of xds.api.
    """
    found = checker(message.DESCRIPTOR)(message) or []
    found += load_assignment.faults(message)
    return tuple(Violation(_dotted(path), rule) for path, rule in found)


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@cache
def _table() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(resources.files("xds.api").joinpath("rules.json").read_text())
    return found


@cache
def checker(of: Descriptor) -> _Checker:
    """The check of messages of one type; compiled when the first message is met."""
    return _Checker(of)


class _Checker:
    """The check of one type of messages."""

    __slots__ = ("_fields", "_musts", "_of", "_oneofs")

    def __init__(self, of: Descriptor) -> None:
        self._of = of
        self._fields: dict[int, Check] | None = None
        self._musts: tuple[tuple[str, Callable[[Message], bool], str], ...] = ()
        self._oneofs: tuple[str, ...] = ()

    def __call__(self, message: Any) -> Found | None:
        fields = self._fields
        if fields is None:
            fields = self._compile()
        found: Found | None = None
        for field, value in message.ListFields():
            check = fields.get(field.number)
            if check is not None:
                bad = check(value)
                if bad is not None:
                    found = found or []
                    found += [((field.name, *path), rule) for path, rule in bad]
        for name, lacking, rule in self._musts:
            if lacking(message):
                found = [*(found or []), ((name,), rule)]
        for name in self._oneofs:
            if message.WhichOneof(name) is None:
                found = [*(found or []), ((name,), "must be set, one of its kinds")]
        return found

    def _compile(self) -> dict[int, Check]:
        name = self._of.full_name
        rules: dict[str, Any] = _table()["fields"].get(name, {})
        refused = frozenset(_table()["disallowed"].get(name, ()))
        fields: dict[int, Check] = {}
        musts: list[tuple[str, Callable[[Message], bool], str]] = []
        for field in self._of.fields:
            own = rules.get(field.name, {})
            check = _refused if field.name in refused else _field_check(field, own)
            if check is not None:
                fields[field.number] = check
            must = _must(field, own)
            if must is not None:
                musts.append(must)
        self._musts, self._oneofs = tuple(musts), tuple(_table()["oneofs"].get(name, ()))
        self._fields = fields
        return fields


def _refused(_: Any) -> Found:
    return [((), "must not be set: Envoy does not allow it by default")]


def _must(field: FieldDescriptor, rules: Rules) -> tuple[str, Callable[[Message], bool], str] | None:
    """What is wrong with a message in which ``field`` is not set, and how that is seen."""
    name = field.name
    if field.containing_oneof is not None:
        return None  # looked at where it is the one that is set
    required = any(isinstance(each, dict) and each.get("required") for each in rules.values())
    if field.message_type is not None and not field.is_repeated:
        return (name, lambda message: not message.HasField(name), "must be set") if required else None
    if field.is_repeated:
        least = max(rules.get("repeated", {}).get("min_items", 0), rules.get("map", {}).get("min_pairs", 0))
        return (name, lambda message: not getattr(message, name), f"must have at least {least}") if least else None
    single = _scalar(field, rules)
    said = None if single is None else single(field.default_value)
    return None if said is None else (name, lambda message: not getattr(message, name), said)


def _field_check(field: FieldDescriptor, rules: Rules) -> Check | None:
    """The check of a field's value where it is set."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_check(field, rules.get("map", {}))
    if field.is_repeated:
        return _repeated_check(field, rules.get("repeated", {}))
    return _single_check(field, rules)


def _single_check(field: FieldDescriptor, rules: Rules) -> Check | None:
    if field.message_type is None:
        single = _scalar(field, rules)
        return None if single is None else _as_check(single)
    name = field.message_type.full_name
    if name == _DURATION:
        return _duration_check(rules.get("duration", {}))
    if name in _WRAPPERS:
        single = _scalar(field, rules)
        return None if single is None else _as_check(lambda value: single(value.value))
    if rules.get("message", {}).get("skip"):
        return None
    if name == _ANY:
        return _any_check
    return checker(field.message_type) if _relevant(field.message_type) else None


def _as_check(single: Test) -> Check:
    def check(value: Any) -> Found | None:
        said = single(value)
        return None if said is None else [((), said)]

    return check


def _scalar(field: FieldDescriptor, rules: Rules) -> Test | None:
    for kind in _NUMBER_KINDS:
        if kind in rules:
            known = frozenset[int]()
            if field.enum_type is not None:
                known = frozenset(field.enum_type.values_by_number)
            return test_of(kind, rules[kind], known)
    return None


def _duration_check(rules: Rules) -> Check:
    within = test_of("duration", rules, frozenset())

    def check(value: Any) -> Found | None:
        if value.seconds < 0 or value.nanos < 0:
            return [((), "must not be a negative duration")]
        if value.seconds > _LONGEST_S:
            return [((), f"must be at most {_LONGEST_S} seconds")]
        said = None if within is None else within(value.seconds + value.nanos / 1e9)
        return None if said is None else [((), f"{said} seconds")]

    return check


def _repeated_check(field: FieldDescriptor, rules: Rules) -> Check | None:
    item = _single_check(field, rules.get("items", {}))
    least, most = rules.get("min_items", 0), rules.get("max_items")
    unique = bool(rules.get("unique"))
    if item is None and least <= 1 and most is None and not unique:
        return None

    def check(values: Any) -> Found | None:
        found: Found = []
        if len(values) < least:
            found.append(((), f"must have at least {least}"))
        if most is not None and len(values) > most:
            found.append(((), f"must have at most {most}"))
        if unique and len(set(values)) < len(values):
            found.append(((), "must not have one twice"))
        if item is not None:
            for index, value in enumerate(values):
                bad = item(value)
                if bad is not None:
                    found += [((index, *path), rule) for path, rule in bad]
        return found or None

    return check


def _map_check(field: FieldDescriptor, rules: Rules) -> Check | None:
    parts = cast("Descriptor", field.message_type).fields_by_name
    key = _single_check(parts["key"], rules.get("keys", {}))
    value = _single_check(parts["value"], rules.get("values", {}))
    if key is None and value is None:
        return None

    def check(entries: Any) -> Found | None:
        found: Found = []
        for each in sorted(entries):
            bad = [*((key(each) if key is not None else None) or ())]
            bad += (value(entries[each]) if value is not None else None) or ()
            found += [((f'"{each}"', *path), rule) for path, rule in bad]
        return found or None

    return check


def _any_check(value: Any) -> Found | None:
    body = value.value
    if len(body) > _REMEMBERED_BYTES:
        return _inside(value.type_url, body)
    return _inside_known(value.type_url, body)


def _inside(url: str, body: bytes) -> Found | None:
    try:
        kind = message_class(url)
        return checker(kind.DESCRIPTOR)(kind.FromString(body)) if _relevant(kind.DESCRIPTOR) else None
    except UnknownType:
        return None  # no type of ours: only an Envoy can tell
    except DecodeError:
        return [((), f"must be a {url.rpartition('/')[2]}")]


_inside_known = lru_cache(maxsize=4096)(_inside)


@cache
def _relevant(of: Descriptor) -> bool:
    """Whether anything below a message of that type can break a rule."""
    table, seen, wave = _table(), set[str](), [of]
    while wave:
        each = wave.pop()
        name = each.full_name
        if name == _ANY or any(name in table[part] for part in ("fields", "oneofs", "disallowed")):
            return True
        seen.add(name)
        wave += [f.message_type for f in each.fields if f.message_type and f.message_type.full_name not in seen]
    return False
