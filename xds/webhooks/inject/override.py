"""A container of the user's, laid over one of ours: as Kubernetes merges patches, lists of named things by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xds.webhooks.inject.plain import Json, mappings

AUTO: Final = "auto"
# The field that names an entry of each list; other lists are replaced.
_KEYS: Final = {"env": "name", "volumeMounts": "mountPath", "ports": "containerPort", "volumeDevices": "devicePath"}


def laid_over(ours: Json, theirs: Mapping[str, Any]) -> Json:
    """Our container as theirs changes it; an ``image`` of ``auto``, or none, keeps ours."""
    stated = {key: value for key, value in theirs.items() if not (key == "image" and value in (AUTO, ""))}
    # A probe asks in one way: theirs, whole.
    whole = {key: value for key, value in stated.items() if key.endswith("Probe")}
    return {**_merged(ours, {key: value for key, value in stated.items() if key not in whole}), **whole}


def _merged(ours: Json, theirs: Mapping[str, Any]) -> Json:
    made = dict(ours)
    for key, value in theirs.items():
        own = made.get(key)
        if value is None:
            continue
        if isinstance(own, dict) and isinstance(value, dict):
            # A hook does one thing.
            made[key] = value if key in ("preStop", "postStart") else _merged(own, value)
        elif key in _KEYS and isinstance(own, list) and isinstance(value, list):
            made[key] = _by_name(own, value, _KEYS[key])
        else:
            made[key] = value
    return made


def _by_name(ours: list[Any], theirs: list[Any], key: str) -> list[Any]:
    changes = {repr(each.get(key)): each for each in mappings(theirs)}
    kept = [changes.pop(repr(each.get(key)), each) for each in mappings(ours)]
    return [*kept, *changes.values()]
