"""One consistent set of v3 files: xds-protos' with the Envoy binary's on top, options stripped, names made ours."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from google.protobuf.descriptor_pb2 import (
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from build_api import scan

Files = dict[str, FileDescriptorProto]

THIRD_PARTY: Final = "third_party"
_OURS: Final = ("envoy.", "xds.", "udpa.")
_PROTOBUF: Final = "google.protobuf"
_FOLDERS: Final = ("envoy/", "xds/", "udpa/")
_CURRENT: Final = re.compile(r"^(envoy\..*\bv3(alpha)?\b|xds\.|udpa\.)")
_ANNOTATIONS: Final = re.compile(r"(^|\.)annotations(\.|$)")
_KEPT_FROM_BASE: Final = ("google/protobuf/", "google/rpc/")
_WELL_KNOWN: Final = (
    "any",
    "api",
    "descriptor",
    "duration",
    "empty",
    "field_mask",
    "source_context",
    "struct",
    "timestamp",
    "type",
    "wrappers",
)


def overlay(base: Mapping[str, FileDescriptorProto], binary: Mapping[str, FileDescriptorProto]) -> Files:
    """``base`` with what the binary knows in place of it, and protobuf's own well-known types as installed here."""
    files = dict(base)
    files.update((name, file) for name, file in binary.items() if not name.startswith(_KEPT_FROM_BASE))
    for name in _WELL_KNOWN:
        module = importlib.import_module(f"google.protobuf.{name}_pb2")
        files[f"google/protobuf/{name}.proto"] = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
    return files


def is_api(file: FileDescriptorProto) -> bool:
    """Whether ``file`` is current Envoy API: envoy's v3, all of xds and udpa; nothing internal, no annotations."""
    if not file.name.startswith(_FOLDERS) or _ANNOTATIONS.search(file.package):
        return False
    return _CURRENT.match(file.package) is not None


def select(files: Mapping[str, FileDescriptorProto]) -> Files:
    """Copies of the API's files and of all they need, in order of name, without custom options and unused imports.

    Third parties' packages get the prefix THIRD_PARTY, since protobuf's default pool refuses a second file of a name
    and other distributions load the same ones; none of their messages travels in an Any.
    """
    stripped: Files = {}
    wanted = sorted(name for name, file in files.items() if is_api(file))
    while wanted:
        name = wanted.pop()
        if name not in stripped:
            stripped[name] = _strip(files[name], files)
            wanted.extend(stripped[name].dependency)
    moved = {name: f"{THIRD_PARTY}/{name}" for name, file in stripped.items() if _is_third_party(file)}
    packages = {stripped[name].package for name in moved}
    for file in stripped.values():
        _move(file, moved, packages)
    return {file.name: file for _, file in sorted(stripped.items())}


def _is_third_party(file: FileDescriptorProto) -> bool:
    return not f"{file.package}.".startswith(_OURS) and file.package != _PROTOBUF


def _strip(file: FileDescriptorProto, files: Mapping[str, FileDescriptorProto]) -> FileDescriptorProto:
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("options")
    bare.ClearField("source_code_info")
    bare.DiscardUnknownFields()  # custom options are extensions that this process has not loaded
    if not bare.public_dependency and not bare.weak_dependency:
        used = set(_references(bare))
        needed = [name for name in bare.dependency if name in files and _provides(files[name], used)]
        del bare.dependency[:]
        bare.dependency.extend(needed)
    return bare


def _references(file: FileDescriptorProto) -> Iterator[str]:
    for _, message in scan.messages(file):
        for field in (*message.field, *message.extension):
            yield from (field.type_name, field.extendee)
    for field in file.extension:
        yield from (field.type_name, field.extendee)
    for service in file.service:
        for method in service.method:
            yield from (method.input_type, method.output_type)


def _provides(file: FileDescriptorProto, used: set[str]) -> bool:
    return bool(file.public_dependency) or any(f".{name}" in used for name in type_names(file))


def type_names(file: FileDescriptorProto) -> Iterator[str]:
    """The full names (no leading dot) of all messages and enums that ``file`` defines, nested ones too."""
    yield from _enums(file.package, file.enum_type)
    for name, message in scan.messages(file):
        yield name
        yield from _enums(name, message.enum_type)


def _enums(scope: str, enums: Iterable[EnumDescriptorProto]) -> Iterator[str]:
    for enum in enums:
        yield f"{scope}.{enum.name}" if scope else enum.name


def _move(file: FileDescriptorProto, moved: Mapping[str, str], packages: set[str]) -> None:
    if file.name in moved:
        file.name = moved[file.name]
        file.package = f"{THIRD_PARTY}.{file.package}"
    for index, name in enumerate(file.dependency):
        file.dependency[index] = moved.get(name, name)
    prefixes = tuple(f".{package}." for package in sorted(packages))
    for _, message in scan.messages(file):
        for field in (*message.field, *message.extension):
            _retarget(field, prefixes)
    for service in file.service:
        for method in service.method:
            method.input_type = _renamed(method.input_type, prefixes)
            method.output_type = _renamed(method.output_type, prefixes)


def _retarget(field: FieldDescriptorProto, prefixes: tuple[str, ...]) -> None:
    if field.type_name:
        field.type_name = _renamed(field.type_name, prefixes)


def _renamed(type_name: str, prefixes: tuple[str, ...]) -> str:
    return f".{THIRD_PARTY}{type_name}" if type_name.startswith(prefixes) else type_name
