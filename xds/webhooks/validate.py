"""Whether an object may be stored: the findings of ``plait analyze`` about it alone, and remarks about it in the mesh.

What is wrong with an object by itself denies it. What is wrong between it and others only warns: objects may be applied
in any order, and the one that is missing now may come next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from xds.decoders.as_if import as_if
from xds.decoders.build import DECODERS
from xds.decoders.row import Authored, Row
from xds.decoders.shape.decode import Decoded, Place, decode_object
from xds.decoders.shape.kind_lookup import struct_for, unknown_kind
from xds.decoders.shape.manifests import MESH_CONFIG_MAP, in_config_map, mesh_config, states_mesh
from xds.explain.analyze import found_about, ordered
from xds.explain.refused import untried
from xds.kinds.config_map import ConfigMap
from xds.model.problem import Problem, Problems, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.snapshot import Snapshot
from xds.webhooks.review import AdmissionRequest

_PLACE: Final = Place(Origin("admission"))
# Fields that are not what the object says, and that garbage collection, status and tools must always be able to write.
_ASIDE: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass(frozen=True, slots=True)
class Tried:
    """What Envoy would refuse of what an object makes; ``whole`` says whether all was looked at in time."""

    problems: tuple[Problem, ...] = ()
    whole: bool = True


Trial = Callable[[ObjectRef, Sequence[Row], Sequence[Row]], Tried]
"""Tries an object with these rows in the place of others. Blocks for a bounded time."""


def _untried(_: ObjectRef, __: Sequence[Row], ___: Sequence[Row]) -> Tried:
    return Tried()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an object is judged in: the mesh as it is, the DNS domain, and which ConfigMap has the mesh's settings.

    ``trial`` knows what Envoy would say of what is made of it, where anybody does.
    """

    snapshot: Snapshot
    domain: str = "cluster.local"
    mesh_config_map: ObjectRef = MESH_CONFIG_MAP
    trial: Trial = _untried


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: an object with ``errors`` must not be stored, ``remarks`` are for who writes it."""

    errors: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()


_FINE: Final = Verdict()


def validate(request: AdmissionRequest, surroundings: Surroundings) -> Verdict:
    """The verdict on what ``request`` asks to store.

    Only what creates an object, or changes what it says, is judged: an object that was bad before can lose its
    finalizers, get a label or a status, and be deleted.
    """
    plain = request.object
    if plain is None or request.operation not in {"CREATE", "UPDATE"} or request.sub_resource or _is_going(plain):
        return _FINE
    if request.old_object is not None and _content(plain) == _content(request.old_object):
        return _FINE
    try:
        return _judged(_completed(plain, request), request, surroundings)
    except RecursionError:
        ref = ObjectRef(request.kind.group, request.kind.kind, request.namespace, request.name or "?")
        return Verdict((Problem(FieldRef(ref), "object.nesting", "is nested too deep"),))


def _judged(plain: dict[str, Any], request: AdmissionRequest, surroundings: Surroundings) -> Verdict:
    api_version, kind = plain["apiVersion"], plain["kind"]
    if struct_for(api_version, kind) is None:
        ref = ObjectRef(request.kind.group, kind, request.namespace, request.name or "?")
        message, _ = unknown_kind(api_version, kind)
        return Verdict(remarks=(Problem(FieldRef(ref), "object.kind-unknown", message, Severity.WARNING),))
    read = _read(plain, surroundings)
    if any(each.severity is Severity.ERROR for each in read.found):
        return _verdict(read.found)
    before = _read(_completed(request.old_object, request), surroundings) if request.old_object else _NOTHING
    snapshot = as_if(surroundings.snapshot, read.ref, read.rows, before.rows)
    between = found_about(snapshot, read.ref, [row.under for row in read.rows])
    tried = surroundings.trial(read.ref, read.rows, before.rows)
    late = () if tried.whole else (untried(read.ref),)
    return _verdict((*read.found, *tried.problems, *late, *(_as_remark(each) for each in between)))


def _verdict(found: tuple[Problem, ...]) -> Verdict:
    plain = ordered(replace(each, origin=None) for each in found)
    return Verdict(
        tuple(each for each in plain if each.severity is Severity.ERROR),
        tuple(each for each in plain if each.severity is not Severity.ERROR),
    )


def _as_remark(problem: Problem) -> Problem:
    return replace(problem, severity=Severity.WARNING) if problem.severity is Severity.ERROR else problem


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one object says: its rows, and what was found while it was read."""

    ref: ObjectRef
    rows: tuple[Row, ...] = ()
    found: tuple[Problem, ...] = ()


_NOTHING: Final = _Reading(ObjectRef("", "", "", "?"))


def _read(plain: dict[str, Any], surroundings: Surroundings) -> _Reading:
    decoded = decode_object(plain, _PLACE)
    if not decoded.objects:
        return replace(_NOTHING, found=decoded.problems)
    ref, struct = decoded.objects[0].ref, decoded.objects[0].struct
    if isinstance(struct, ConfigMap) and ref == surroundings.mesh_config_map and states_mesh(struct):
        return _read_mesh(struct, ref, surroundings)
    return _meaning(decoded, surroundings)


def _meaning(decoded: Decoded, surroundings: Surroundings) -> _Reading:
    """What the decoder of the object's kind makes of it."""
    ref, struct = decoded.objects[0].ref, decoded.objects[0].struct
    decoder, found = DECODERS.get((ref.group, ref.kind)), Problems()
    rows = tuple(decoder(Authored(ref, struct, found, surroundings.domain))) if decoder is not None else ()
    return _Reading(ref, rows, (*decoded.problems, *found))


def _read_mesh(struct: ConfigMap, ref: ObjectRef, surroundings: Surroundings) -> _Reading:
    """The mesh's settings in a ConfigMap, with findings named as fields of the ConfigMap."""
    decoded = mesh_config(struct, _PLACE)
    shape = tuple(replace(each, at=FieldRef(ref, each.at.path)) for each in decoded.problems)
    if not decoded.objects:
        return _Reading(ref, found=shape)
    read = _meaning(replace(decoded, problems=()), surroundings)
    meant = (replace(each, at=FieldRef(ref, in_config_map(each.at.path))) for each in read.found)
    return _Reading(read.ref, read.rows, (*shape, *meant))


def _completed(plain: dict[str, Any], request: AdmissionRequest) -> dict[str, Any]:
    """``plain`` with what the API server knows and may not have written into it yet."""
    group, version = request.kind.group, request.kind.version
    head = {"apiVersion": f"{group}/{version}" if group else version, "kind": request.kind.kind}
    known = {key: plain[key] for key in head if isinstance(plain.get(key), str) and plain[key]}
    metadata = plain.get("metadata")
    if isinstance(metadata, dict):
        metadata = {**metadata}
        metadata["namespace"] = metadata.get("namespace") or request.namespace
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            metadata["name"] = request.name or (f"{prefix}x" if isinstance(prefix, str) and prefix else "")
    return {**plain, **head, **known, "metadata": metadata}


def _is_going(plain: Mapping[str, Any]) -> bool:
    metadata = plain.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))


def _content(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in _ASIDE}
