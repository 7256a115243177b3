"""From a manifest's plain values to an Object, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from xds.decoders.shape.documents import file_ref
from xds.decoders.shape.faults import Fault, faults, shown
from xds.decoders.shape.kind_lookup import struct_for, unknown_kind
from xds.decoders.shape.one_of import one_of
from xds.decoders.shape.positions import Path, Positions
from xds.kinds.authored import Authored, Stored
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.quantities import decode_hook
from xds.kinds.registry import KINDS
from xds.model.object import Object
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_KINDS = frozenset({"Namespace", "Service"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one manifest gave: objects, names of objects that cannot be read, and findings.

    Shape: ``nameless`` when something is in it of which not even the name can be told.
    """

    objects: tuple[Object[Authored], ...] = ()
    broken: tuple[ObjectRef, ...] = ()
    nameless: bool = False
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a manifest stands: its origin, its path in a document that holds several, and the lines of fields."""

    origin: Origin
    root: Path = ()
    positions: Positions | None = None

    def here(self) -> Origin:
        """The origin of the manifest itself: its own line, where the document holds several."""
        if self.positions is None or not self.root:
            return self.origin
        return Origin(self.origin.source, self.positions.line(self.root))

    def problem(self, ref: ObjectRef, fault: Fault, severity: Severity = Severity.ERROR) -> Problem:
        """The finding about a field of the manifest, with the field's own line."""
        origin = self.origin
        if self.positions is not None:
            origin = Origin(origin.source, self.positions.line((*self.root, *fault.path)))
        return Problem(FieldRef(ref, fault.path), fault.code, fault.message, severity, origin)


def decode_object(plain: Any, place: Place) -> Decoded:
    """The object that ``plain`` (JSON types) describes, or all of its faults. Never raises for what a user wrote.

    Problems: object.shape, object.kind-unknown, object.name-missing, object.name-invalid and the field.* codes.
    """
    file = file_ref(place.origin.source)
    if not isinstance(plain, dict):
        message = f"must be a mapping with apiVersion, kind and metadata, is {shown(plain)}"
        return Decoded(nameless=True, problems=(place.problem(file, Fault((), "object.shape", message)),))
    missing = [name for name in ("apiVersion", "kind") if not isinstance(plain.get(name), str) or not plain[name]]
    if missing:
        absent = [name for name in missing if plain.get(name) in (None, "")]
        problems = [place.problem(file, Fault((name,), "field.required", "is required")) for name in absent]
        for name in missing:
            if name not in absent:
                fault = Fault((name,), "field.type", f"must be text, is {shown(plain[name])}")
                problems.append(place.problem(file, fault))
        return Decoded(nameless=True, problems=tuple(problems))
    struct = struct_for(plain["apiVersion"], plain["kind"])
    if struct is None:
        message, severity = unknown_kind(plain["apiVersion"], plain["kind"])
        problem = place.problem(_unknown_ref(plain), Fault(("kind",), "object.kind-unknown", message), severity)
        return Decoded(nameless=severity is Severity.ERROR, problems=(problem,))
    return _decode_known(plain, struct, place)


def _unknown_ref(plain: dict[str, Any]) -> ObjectRef:
    """The name of an object whose kind is none of ours."""
    metadata = plain.get("metadata")
    names = metadata if isinstance(metadata, dict) else {}
    namespace, name = names.get("namespace", ""), names.get("name", "")
    return ObjectRef(plain["apiVersion"].rpartition("/")[0], plain["kind"], str(namespace), str(name) or "?")


def _decode_known(plain: dict[str, Any], struct: type[Authored], place: Place) -> Decoded:
    given = plain.get("metadata")
    if not isinstance(given, dict | None):
        fault = Fault(("metadata",), "field.type", f"must be a mapping, is {shown(given)}")
        return Decoded(nameless=True, problems=(place.problem(_unknown_ref(plain), fault),))
    metadata = dict(given or {})
    flat = struct is MeshConfig and "spec" not in plain
    if struct is MeshConfig:
        plain = _spec_of_flat(plain) if flat else plain
        metadata = {"name": "istio", "namespace": "istio-system"} | metadata
    elif struct.KIND.namespaced:
        metadata["namespace"] = metadata.get("namespace") or "default"
    else:
        metadata.pop("namespace", None)
    ref, named = _named(metadata, struct)
    if named:
        return Decoded(nameless=True, problems=tuple(place.problem(ref, fault) for fault in named))
    plain = {**plain, "metadata": metadata}
    if not issubclass(struct, Stored) and "status" not in struct.__struct_fields__:
        plain.pop("status", None)
    value, found = _convert(plain, struct)
    if value is None or found:
        found = tuple(fault._replace(path=fault.path[1:]) for fault in found) if flat else found
        return Decoded(broken=(ref,), problems=tuple(place.problem(ref, fault) for fault in found))
    return Decoded(objects=(Object(ref, value, place.here(), value.metadata.generation),))


def _spec_of_flat(plain: dict[str, Any]) -> dict[str, Any]:
    """A MeshConfig document that has its settings at the top, as Istio's text has them, with them under ``spec``."""
    outer = ("apiVersion", "kind", "metadata")
    head = {key: plain[key] for key in outer if key in plain}
    return {**head, "spec": {key: value for key, value in plain.items() if key not in outer}}


def _named(metadata: dict[str, Any], struct: type[Authored]) -> tuple[ObjectRef, list[Fault]]:
    """The object's name, and what is wrong with it."""
    kind, found = struct.KIND, []
    name, namespace = metadata.get("name"), metadata.get("namespace", "")
    if name is None or name == "":
        found.append(Fault(("metadata", "name"), "object.name-missing", "is required: every object needs a name"))
    elif not isinstance(name, str):
        message = f"must be text, is {shown(name)}: put it in quotes"
        found.append(Fault(("metadata", "name"), "object.name-invalid", message))
    else:
        found += _invalid(name, ("metadata", "name"), kind.name in _LABEL_KINDS)
    if not isinstance(namespace, str):
        message = f"must be text, is {shown(namespace)}: put it in quotes"
        found.append(Fault(("metadata", "namespace"), "object.name-invalid", message))
    elif namespace:
        found += _invalid(namespace, ("metadata", "namespace"), label=True)
    return ObjectRef(kind.group, kind.name, str(namespace), "?" if name is None else str(name)), found


def _invalid(name: str, path: Path, label: bool) -> Iterator[Fault]:
    """The fault of a name that Kubernetes would refuse."""
    pattern, limit = (_LABEL, 63) if label else (_SUBDOMAIN, 253)
    if len(name) <= limit and pattern.fullmatch(name):
        return
    dots = "" if label else ", '.'"
    message = f"must be at most {limit} lower-case letters, digits{dots} and '-', begin and end with a letter or digit"
    yield Fault(path, "object.name-invalid", f"{message}, is {shown(name)}")


def _convert(plain: dict[str, Any], struct: type[Authored]) -> tuple[Authored | None, tuple[Fault, ...]]:
    """The struct, or its faults. A null means absent, as in Kubernetes."""
    try:
        value = _strict(plain, struct)
    except msgspec.ValidationError:
        plain = without_nulls(plain)
        try:
            value = _strict(plain, struct)
        except msgspec.ValidationError as error:
            return None, faults(plain, struct) or (_unlisted(error),)
    if issubclass(struct, Stored):
        return value, ()
    return value, tuple(one_of(value))


# msgspec learns a struct when it first meets it, and crashes when two threads have it do so at once: so it learns all
# of them here, where one does.
_LEARNED: Final = tuple(msgspec.json.Decoder(struct, dec_hook=decode_hook) for struct in KINDS)


def _strict(plain: dict[str, Any], struct: type[Authored]) -> Authored:
    return msgspec.convert(plain, struct, dec_hook=decode_hook)


def without_nulls(value: Any) -> Any:
    """``value`` without the keys and entries that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value


def _unlisted(error: msgspec.ValidationError) -> Fault:
    """Msgspec's own words, for a fault that the schema does not find."""
    text, _, path = str(error).partition(" - at `$")
    steps = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", path)
    return Fault(tuple(int(index) if index else key for key, index in steps), "field.type", text)
