"""Merging as EnvoyFilter's MERGE means it: what is given wins, within extensions too; lists grow, or are replaced."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.wire import codec

_VALUES: Final = "google.protobuf."
_STRUCT: Final = "google.protobuf.Struct"
_NAMED: Final = (TransportSocket, TypedExtensionConfig)


def merge_over(into: Message, given: Message, *, replace_lists: bool = False) -> None:
    """Put what ``given`` sets over ``into``, in place.

    Durations and wrappers are values: they are replaced. An Any is merged with one of its own type and else replaced,
    an extension with one of its own name.
    Errors: DecodeError, UnknownType for an Any that cannot be read.
    """
    for descriptor, value in given.ListFields():
        if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
            _merge_map(getattr(into, descriptor.name), value, replace_lists=replace_lists)
        elif descriptor.is_repeated:
            if replace_lists:
                into.ClearField(descriptor.name)
            getattr(into, descriptor.name).extend(value)
        elif descriptor.message_type is None:
            setattr(into, descriptor.name, value)
        else:
            _merge_field(into, descriptor.name, value, replace_lists=replace_lists)


def _merge_map(into: Any, given: Any, *, replace_lists: bool) -> None:
    for key in given:
        value = given[key]
        if not isinstance(value, Message):
            into[key] = value
        elif key in into:
            _merge_message(into[key], value, replace_lists=replace_lists)
        else:
            into[key].CopyFrom(value)


def _merge_field(into: Message, name: str, value: Message, *, replace_lists: bool) -> None:
    present = into.HasField(name)
    field = getattr(into, name)
    if present:
        _merge_message(field, value, replace_lists=replace_lists)
    else:
        field.CopyFrom(value)
        field.SetInParent()


def _merge_message(into: Message, value: Message, *, replace_lists: bool) -> None:
    kind = into.DESCRIPTOR.full_name
    if isinstance(into, AnyMessage) and isinstance(value, AnyMessage):
        if into.type_url != value.type_url:
            into.CopyFrom(value)
            return
        inner = codec.decode(into.type_url, into.value)
        merge_over(inner, codec.decode(value.type_url, value.value), replace_lists=replace_lists)
        into.CopyFrom(codec.pack(inner))
    elif kind == _STRUCT:
        into.MergeFrom(value)
    elif kind.startswith(_VALUES) or (isinstance(into, _NAMED) and into.name != value.name):  # type: ignore[attr-defined]
        into.CopyFrom(value)
    else:
        merge_over(into, value, replace_lists=replace_lists)
