"""What to do about a definition that an API server has already: whose it is, and what ours would take from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from xds.kinds.crds.definitions import OURS, PART_OF, Definition
from xds.kinds.crds.schema import UNKNOWN_FIELDS

FIELDS_SHOWN = 3


def why_not(installed: Mapping[str, Any], ours: Definition) -> str:
    """Why ``installed`` had better stay as it is; empty when ours may replace it.

    It is not ours (Istio's own, say), or it knows fields that ours does not (that of a later version), which the API
    server would drop from objects.
    """
    labels = installed["metadata"].get("labels") or {}
    if labels.get(PART_OF) != OURS:
        return f"it is not plait's (no label {PART_OF}: {OURS})"
    lost = sorted(set(lost_fields(installed, ours)))
    more = f" and {len(lost) - FIELDS_SHOWN} more" if len(lost) > FIELDS_SHOWN else ""
    return f"it has fields that this version does not know: {', '.join(lost[:FIELDS_SHOWN])}{more}" if lost else ""


def joined(installed: Mapping[str, Any], ours: Definition) -> Definition:
    """Ours, with the versions that only ``installed`` has: objects may be stored in one, and clients ask for it."""
    made = deepcopy(ours)
    names = {version["name"] for version in made["spec"]["versions"]}
    kept = [version for version in installed["spec"]["versions"] if version["name"] not in names]
    made["spec"]["versions"] += [{**deepcopy(version), "storage": False} for version in kept]
    return made


def lost_fields(installed: Mapping[str, Any], ours: Definition) -> Iterator[str]:
    """The fields below ``spec`` that a version has in ``installed`` and has no more in ours: ``v1 spec.http[].new``."""
    schemas = {version["name"]: _schema(version) for version in ours["spec"]["versions"]}
    for version in installed["spec"]["versions"]:
        if version["name"] in schemas:
            old, new = _schema(version), schemas[version["name"]]
            for path in _lost(_spec(old), _spec(new), "spec"):
                yield f"{version['name']} {path}"


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    return (version.get("schema") or {}).get("openAPIV3Schema") or {}


def _spec(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (schema.get("properties") or {}).get("spec") or {}
    return found


def _lost(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    known = new.get("properties") or {}
    for name, below in (old.get("properties") or {}).items():
        if name in known:
            yield from _lost(below, known[name], f"{path}.{name}")
        elif not new.get(UNKNOWN_FIELDS):
            yield f"{path}.{name}"
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(old.get(key), Mapping) and isinstance(new.get(key), Mapping):
            yield from _lost(old[key], new[key], path + mark)
