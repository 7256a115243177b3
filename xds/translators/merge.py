"""Putting fragments together, and refusing two that set the same field."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


class FieldClashError(Exception):
    """Two fragments set one field: a bug in a feature, never a user's mistake."""


def merge(into: M, fragment: M) -> None:
    """Add ``fragment`` to ``into``, in place.

    Messages that both have are merged field by field, lists are joined, and maps united.
    Errors: FieldClashError when both set the same scalar, the same map key, or different arms of one oneof.
    """
    _refuse_clashes(into, fragment, fragment.DESCRIPTOR.name)
    into.MergeFrom(fragment)


def _refuse_clashes(into: Message, fragment: Message, at: str) -> None:
    for descriptor, value in fragment.ListFields():
        name = descriptor.name
        here = f"{at}.{name}"
        if descriptor.containing_oneof is not None and not _synthetic(descriptor.containing_oneof.name):
            other = into.WhichOneof(descriptor.containing_oneof.name)
            if other not in (None, name):
                raise FieldClashError(f"{here} and {at}.{other} exclude each other")
        if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
            both = set(value) & set(getattr(into, name))
            if both:
                raise FieldClashError(f"{here}{sorted(both)} is set twice")
        elif descriptor.is_repeated or not _has(into, descriptor):
            continue
        elif descriptor.message_type is not None and descriptor.message_type.fields and _composite(value):
            _refuse_clashes(getattr(into, name), value, here)
        else:
            raise FieldClashError(f"{here} is set twice")


def _has(message: Message, field: FieldDescriptor) -> bool:
    return message.HasField(field.name) if field.has_presence else bool(getattr(message, field.name))


def _synthetic(oneof: str) -> bool:
    return oneof.startswith("_")


def _composite(value: Message) -> bool:
    # Wrappers, durations and Anys are values, not places to merge into.
    return not value.DESCRIPTOR.full_name.startswith("google.protobuf.")
