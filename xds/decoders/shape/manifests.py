"""From the text of a document to objects: parsing, lists of objects, and the mesh configuration in its ConfigMap."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from xds.decoders.shape.decode import Decoded, Place, decode_object
from xds.decoders.shape.documents import Document, file_ref
from xds.decoders.shape.faults import Fault, shown
from xds.decoders.shape.positions import Path, Positions
from xds.decoders.shape.yaml_values import Duplicate, YamlFault, read_values
from xds.kinds.authored import Authored
from xds.kinds.config_map import ConfigMap
from xds.kinds.mesh_config import MeshConfig
from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef, Origin

_MESH: Final = "mesh"
_NETWORKS: Final = "meshNetworks"
MESH_CONFIG_MAP = ObjectRef("", "ConfigMap", "istio-system", "istio")
"""Where Istio keeps the mesh configuration: under ``mesh`` in ``data``."""


MESH_CONFIG = ObjectRef(MeshConfig.KIND.group, MeshConfig.KIND.name, MESH_CONFIG_MAP.namespace, MESH_CONFIG_MAP.name)
"""The object that is read from there."""


def read_document(document: Document) -> Decoded:
    """The objects in a document and everything that is wrong with it. Never raises for what a user wrote.

    Problems: yaml.syntax, yaml.duplicate-key, json.syntax and those of ``decode_object``.
    """
    origin = Origin(document.file, document.line)
    positions = Positions(document.text, document.line)
    try:
        values, duplicates = _values(document)
    except YamlFault as fault:
        code = "json.syntax" if document.is_json else "yaml.syntax"
        place = Origin(document.file, document.line + fault.line)
        problem = Problem(FieldRef(file_ref(document.file)), code, fault.message, origin=place)
        return Decoded(nameless=True, problems=(problem,))
    parts = [
        decoded
        for value in values
        if value is not None
        for decoded in _objects(value, Place(origin, positions=positions))
    ]
    if duplicates:
        return in_order(_with_duplicates(parts, duplicates, Place(origin, positions=positions)))
    return in_order(merged(parts))


def in_order(decoded: Decoded) -> Decoded:
    """The same with its findings in the order of their lines."""
    if len(decoded.problems) < 2:
        return decoded
    return replace(decoded, problems=tuple(sorted(decoded.problems, key=_line)))


def _line(problem: Problem) -> int:
    if problem.code == "object.more-faults":
        return sys.maxsize
    return problem.origin.line if problem.origin else 0


def _values(document: Document) -> tuple[list[Any], list[Duplicate]]:
    """The document's values. Errors: YamlFault."""
    if not document.is_json:
        return read_values(document.text)
    duplicates: list[Duplicate] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                duplicates.append(Duplicate((key,), 0))
            seen[key] = value
        return seen

    try:
        value = json.loads(document.text, object_pairs_hook=mapping, parse_int=_number)
        if "\\u" in document.text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise YamlFault(f"is no JSON: {error.msg} at column {error.colno}", error.lineno - 1) from None
    except UnicodeEncodeError as error:
        raise YamlFault(f"is no JSON: has half a character (U+{ord(error.object[error.start]):04X})", 0) from None
    except RecursionError:
        raise YamlFault("is nested too deep", 0) from None
    return [value], duplicates


def _number(digits: str) -> int | float:
    """The whole number; what no field could hold anyway as a float, as in YAML (Python refuses to read it)."""
    return int(digits) if len(digits) < 500 else float(digits)


def _objects(plain: Any, place: Place) -> Iterator[Decoded]:
    """The objects that a document's value describes: one, or the items of a List."""
    if isinstance(plain, dict) and plain.get("kind") == "List" and plain.get("apiVersion") == "v1":
        items = plain.get("items")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            root: Path = (*place.root, "items", index)
            yield from _objects(item, Place(place.origin, root, place.positions))
        return
    decoded = decode_object(plain, place)
    yield decoded
    for found in decoded.objects:
        if found.ref == MESH_CONFIG_MAP and isinstance(found.struct, ConfigMap) and states_mesh(found.struct):
            yield mesh_config(found.struct, place)


def states_mesh(config_map: ConfigMap) -> bool:
    """Whether a ConfigMap has settings of the mesh."""
    return _MESH in config_map.data or _NETWORKS in config_map.data


def _settings(text: str, within: Path) -> dict[str, Any] | Fault:
    try:
        values, _ = read_values(text)
    except YamlFault as fault:
        return Fault(within, "yaml.syntax", f"{fault.message} (line {fault.line + 1} of the text)")
    settings = values[0] if values else {}
    if settings is None or settings == {}:
        return {}
    known = isinstance(settings, dict)
    return settings if known else Fault(within, "field.type", f"must be a mapping, is {shown(settings)}")


def mesh_config(config_map: ConfigMap, place: Place) -> Decoded:
    """The MeshConfig in the ConfigMap ``istio``, or what is wrong with it; its networks are a text of their own."""
    text = config_map.data.get(_MESH, "")
    ref = MESH_CONFIG
    within: Path = ("data", _MESH)
    settings = _settings(text, within)
    networks = _settings(config_map.data.get(_NETWORKS, ""), ("data", _NETWORKS))
    if isinstance(settings, Fault) or isinstance(networks, Fault):
        wrong = (place.problem(MESH_CONFIG_MAP, each) for each in (settings, networks) if isinstance(each, Fault))
        return Decoded(broken=(ref,), problems=tuple(wrong))
    if _NETWORKS in config_map.data:
        settings |= {_NETWORKS: networks}
    metadata = {"name": ref.name, "namespace": ref.namespace, "generation": config_map.metadata.generation}
    head = {"apiVersion": MeshConfig.KIND.api_versions[0], "kind": MeshConfig.KIND.name, "metadata": metadata}
    decoded = decode_object({**head, "spec": settings}, Place(place.here()))
    inner = _inner(text, place.positions, (*place.root, *within)) if place.positions else None
    return replace(decoded, problems=tuple(_within(problem, place, within, inner) for problem in decoded.problems))


def _inner(text: str, positions: Positions, path: Path) -> Positions:
    """The lines of the fields in a text that is itself a field, written as a block."""
    return Positions(text, positions.line(path) + 1)


def field_line(at: FieldRef, document: Document, line: int) -> int:
    """The line of a field of the object that was read at ``line`` of ``document``; ``line`` when it is no YAML."""
    try:
        values, _ = read_values(document.text)  # the file may have changed since; composing trusts it
    except YamlFault:
        return line
    positions = _positions(document)
    root = positions.item_at(line) if line != document.line else ()
    path: Path = (*root, *at.path)
    if at.object.kind == MeshConfig.KIND.name and not positions.has((*root, "spec")):
        _, key, *inner = in_config_map(at.path)
        text = _at(values, (0, *root, "data", key))
        if isinstance(text, str):
            return _inner(text, positions, (*root, "data", key)).line(tuple(inner))
        path = (*root, *at.path[1:])
    return positions.line(path)


@lru_cache(maxsize=8)
def _positions(document: Document) -> Positions:
    """The lines of a document, kept for the next finding in it."""
    return Positions(document.text, document.line)


def _at(value: Any, path: Path) -> Any:
    """What stands at ``path`` in a value; None when nothing does."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _within(problem: Problem, place: Place, within: Path, inner: Positions | None) -> Problem:
    """A finding about the MeshConfig, as one about the text in its ConfigMap."""
    path = in_config_map(problem.at.path)
    known = inner is not None and path[: len(within)] == within
    origin = Origin(place.origin.source, inner.line(path[len(within) :])) if inner and known else place.origin
    return replace(problem, at=FieldRef(MESH_CONFIG_MAP, path), origin=origin)


def in_config_map(path: Path) -> Path:
    """A field of the MeshConfig as a field of its ConfigMap."""
    return ("data", *(path[1:] if path[1:2] == (_NETWORKS,) else (_MESH, *path[1:])))


def _with_duplicates(parts: list[Decoded], duplicates: list[Duplicate], place: Place) -> Decoded:
    """What a document with doubled keys gives: its objects are all broken, as nobody knows which value was meant."""
    whole = merged(parts)
    refs = [found.ref for found in whole.objects]
    owner = refs[0] if len(refs) == 1 else whole.broken[0] if len(whole.broken) == 1 else file_ref(place.origin.source)
    problems = tuple(
        Problem(
            FieldRef(owner, duplicate.path),
            "yaml.duplicate-key",
            "is there twice in the same mapping; keep one",
            origin=Origin(place.origin.source, place.origin.line + duplicate.line),
        )
        for duplicate in duplicates
    )
    return Decoded(
        broken=(*whole.broken, *refs), nameless=whole.nameless or not refs, problems=(*problems, *whole.problems)
    )


def merged(parts: list[Decoded]) -> Decoded:
    """Several results as one."""
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        tuple(found for part in parts for found in part.objects),
        tuple(ref for part in parts for ref in part.broken),
        any(part.nameless for part in parts),
        tuple(problem for part in parts for problem in part.problems),
    )


def moved(decoded: Decoded, file: str, lines: int) -> Decoded:
    """The same result for the same text ``lines`` further down, or in another file; structs keep their identity."""
    return replace(
        decoded,
        objects=tuple(_moved_object(found, file, lines) for found in decoded.objects),
        problems=tuple(_moved_problem(problem, file, lines) for problem in decoded.problems),
    )


def _moved_object(found: Object[Authored], file: str, lines: int) -> Object[Authored]:
    return replace(found, origin=Origin(file, found.origin.line + lines))


def _moved_problem(problem: Problem, file: str, lines: int) -> Problem:
    line = problem.origin.line + lines if problem.origin else 0
    at = problem.at if problem.at.object.kind != "File" else FieldRef(file_ref(file), problem.at.path)
    return replace(problem, at=at, origin=Origin(file, line))
