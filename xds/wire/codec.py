"""Messages to bytes and to plain values, and back; any type of xds.api is found by name, loaded when first met."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar, cast

from google.protobuf import any_pb2, descriptor_pool, empty_pb2, json_format, message_factory, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from xds.wire.type_urls import PREFIX

M = TypeVar("M", bound=Message)

_WELL_KNOWN: Final = "google.protobuf."
_ANY: Final = any_pb2.Any.DESCRIPTOR.full_name
_EMPTY: Final = empty_pb2.Empty.DESCRIPTOR.full_name
_SECOND: Final = timedelta(seconds=1)
_FRACTIONS: Final = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})


class UnknownType(KeyError):
    """A type URL that neither xds.api nor anything else loaded into this process knows."""

    def __str__(self) -> str:
        return f"{self.args[0]} is no message type of Envoy's API"


def encode(message: Message) -> bytes:
    """The bytes of ``message``: the same for equal messages, whatever the order in which maps were filled."""
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> any_pb2.Any:
    """``message`` as an Any, encoded deterministically (Any.Pack is not)."""
    return any_pb2.Any(type_url=type_url(message), value=encode(message))


def type_url(message: Message | type[Message]) -> str:
    """The type URL of a message or of its class."""
    return PREFIX + message.DESCRIPTOR.full_name


def u32(value: int) -> wrappers_pb2.UInt32Value:
    """``value`` as a message, so that 0 differs from absent."""
    return wrappers_pb2.UInt32Value(value=value)


def boolean(value: bool) -> wrappers_pb2.BoolValue:
    """``value`` as a message, so that false differs from absent."""
    return wrappers_pb2.BoolValue(value=value)


def duration(value: timedelta) -> Duration:
    """``value`` as a message; seconds and nanoseconds have the same sign, as protobuf demands."""
    seconds = abs(value) // _SECOND
    nanos = (abs(value) - seconds * _SECOND).microseconds * 1000
    sign = -1 if value < timedelta() else 1
    return Duration(seconds=sign * seconds, nanos=sign * nanos)


def message_class(url: str) -> type[Message]:
    """The class behind a type URL or a full type name; its module is imported when it was not yet.

    Errors: UnknownType.
    """
    return message_factory.GetMessageClass(_descriptor(url.rpartition("/")[2]))


def decode(url: str, body: bytes) -> Message:
    """The message of type ``url`` in ``body``. Errors: UnknownType; protobuf's DecodeError."""
    return message_class(url).FromString(body)


def to_plain(message: Message | tuple[str, bytes]) -> dict[str, Any]:
    """``message`` (or a type URL and bytes) as protobuf's JSON with proto field names and only the fields that are set.

    Shape:  an Any is expanded beside its ``@type``; one of an unknown type keeps its bytes, in base64, under ``value``.
            64-bit numbers stay numbers (protobuf's JSON has them as text).
    Errors: UnknownType and DecodeError for a type URL and bytes.
    """
    found = decode(*message) if isinstance(message, tuple) else message
    if isinstance(found, any_pb2.Any):
        return _expanded(found)
    return {field.name: _field(field, value) for field, value in found.ListFields()}


def from_plain(plain: Mapping[str, Any], message: M) -> M:
    """``message`` itself, after the fields in ``plain`` (proto or JSON names, as to_plain writes them) were merged in.

    Errors: google.protobuf.json_format.ParseError with the path of the fault.
    """
    pool = cast("descriptor_pool.DescriptorPool", _LazyPool())
    return json_format.ParseDict(cast("dict[str, Any]", plain), message, descriptor_pool=pool)


class _LazyPool:
    """The part of DescriptorPool that json_format uses, over types that may not be loaded yet."""

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's name)
        return _descriptor(full_name)

    def FindExtensionByName(self, full_name: str) -> FieldDescriptor:  # noqa: N802 (protobuf's name)
        return descriptor_pool.Default().FindExtensionByName(full_name)


@cache
def _modules() -> dict[str, str]:
    return cast("dict[str, str]", json.loads(resources.files("xds.api").joinpath("registry.json").read_text()))


def _descriptor(full_name: str) -> Descriptor:
    module = _modules().get(full_name)
    if module is not None:
        importlib.import_module(module)
    try:
        return descriptor_pool.Default().FindMessageTypeByName(full_name)
    except KeyError:
        raise UnknownType(full_name) from None


def _field(field: FieldDescriptor, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {_key(key): _single(of, value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_single(field, item) for item in value]
    return _single(field, value)


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _message(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if field.cpp_type in _FRACTIONS:
        return _fraction(field, value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _message(value: Message) -> Any:
    name = value.DESCRIPTOR.full_name
    if name.startswith(_WELL_KNOWN) and name != _ANY:
        return json_format.MessageToDict(value, preserving_proto_field_name=True)
    return to_plain(value)


def _fraction(field: FieldDescriptor, value: float) -> float | str:
    """What protobuf's JSON makes of it: a whole number without a dot, the shortest float of 32 bits, "NaN"."""
    single = field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
    wrapper = wrappers_pb2.FloatValue if single else wrappers_pb2.DoubleValue
    return cast("float | str", json_format.MessageToDict(wrapper(value=value)))


def _expanded(value: any_pb2.Any) -> dict[str, Any]:
    if not value.type_url:
        return {}
    try:
        inner = decode(value.type_url, value.value)
    except UnknownType:
        return {"@type": value.type_url, "value": base64.b64encode(value.value).decode()}
    plain = _message(inner)
    name = inner.DESCRIPTOR.full_name
    if name.startswith(_WELL_KNOWN) and name != _EMPTY:
        return {"@type": value.type_url, "value": plain}
    return {"@type": value.type_url, **plain}
