"""Envoy's own validation rules (protoc-gen-validate options, disallowed fields) as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from build_api import scan

_VALIDATE: Final = "validate/validate.proto"
_DEPRECATION: Final = "envoy/annotations/deprecation.proto"
_NANOS: Final = 1_000_000_000


class _Extensions(NamedTuple):
    """The option messages of a private pool that knows PGV's and Envoy's extensions of them."""

    field_options: type[Message]
    message_options: type[Message]
    oneof_options: type[Message]
    rules: Any  # a FieldDescriptor, as the rest: stubs take only the typed extensions of generated modules
    disabled: Any
    ignored: Any
    required: Any
    disallowed: Any


def table(files: Mapping[str, FileDescriptorProto], names: set[str]) -> dict[str, Any]:
    """The rules of the messages called ``names``; ``files`` must still hold their options.

    Shape: ``fields``: message -> field -> rules as PGV names them (``{"string": {"min_len": 1}}``); ``oneofs``:
    message -> the oneofs of which one must be set; ``disallowed``: message -> fields that Envoy refuses unless a
    runtime key allows them. Durations and timestamps are seconds; enum values of rules are names. Messages whose
    validation is disabled are left out.
    """
    known = _extensions(files)
    fields: dict[str, dict[str, Any]] = {}
    oneofs: dict[str, list[str]] = {}
    disallowed: dict[str, list[str]] = {}
    for file in files.values():
        for name, message in scan.messages(file):
            if name not in names or message.options.map_entry or _off(message, known):
                continue
            _put(fields, name, _fields(message, known))
            _put(oneofs, name, _oneofs(message, known))
            _put(disallowed, name, _disallowed(message, known))
    return {"disallowed": disallowed, "fields": fields, "oneofs": oneofs}


def _put(target: dict[str, Any], name: str, found: object) -> None:
    if found:
        target[name] = found


def _extensions(files: Mapping[str, FileDescriptorProto]) -> _Extensions:
    pool = DescriptorPool()
    for module in (descriptor_pb2, duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for name in (_VALIDATE, _DEPRECATION):
        pool.AddSerializedFile(files[name].SerializeToString())

    def options(of: str) -> type[Message]:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.protobuf.{of}Options"))

    def extension(name: str) -> FieldDescriptor:
        found = pool.FindExtensionByName(name)
        if found.message_type is not None:
            message_factory.GetMessageClass(found.message_type)
        return found

    return _Extensions(
        options("Field"),
        options("Message"),
        options("Oneof"),
        extension("validate.rules"),
        extension("validate.disabled"),
        extension("validate.ignored"),
        extension("validate.required"),
        extension("envoy.annotations.disallowed_by_default"),
    )


def _off(message: DescriptorProto, known: _Extensions) -> bool:
    options = known.message_options.FromString(message.options.SerializeToString())
    return bool(options.Extensions[known.disabled] or options.Extensions[known.ignored])


def _fields(message: DescriptorProto, known: _Extensions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in message.field:
        options = known.field_options.FromString(field.options.SerializeToString())
        if options.HasExtension(known.rules):
            _put(found, field.name, _plain(options.Extensions[known.rules]))
    return found


def _oneofs(message: DescriptorProto, known: _Extensions) -> list[str]:
    return [
        oneof.name
        for oneof in message.oneof_decl
        if known.oneof_options.FromString(oneof.options.SerializeToString()).Extensions[known.required]
    ]


def _disallowed(message: DescriptorProto, known: _Extensions) -> list[str]:
    return [
        field.name
        for field in message.field
        if known.field_options.FromString(field.options.SerializeToString()).Extensions[known.disallowed]
    ]


def _plain(message: Message) -> dict[str, Any]:
    """The set fields of one rules message; empty rules (``string: {}``) are left out."""
    plain: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            plain[field.name] = [_value(field, item) for item in value]
        else:
            simple = _value(field, value)
            if simple != {}:
                plain[field.name] = simple
    return plain


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        if field.message_type.full_name in {"google.protobuf.Duration", "google.protobuf.Timestamp"}:
            return value.seconds + value.nanos / _NANOS
        return _plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value.hex() if isinstance(value, bytes) else value
