"""The status that objects of all kinds have, as Istio's tools know it."""

from __future__ import annotations

from typing import Any

from xds.kinds.crds.schema import UNKNOWN_FIELDS

Schema = dict[str, Any]


def status_schema() -> Schema:
    """The schema of ``status``: conditions as a map by type, so that several controllers write theirs side by side."""
    return {
        "type": "object",
        "description": "What control planes say of the object; not for users to write.",
        UNKNOWN_FIELDS: True,
        "properties": {
            "conditions": {
                "type": "array",
                "description": "What holds of the object, one entry a type.",
                "items": _condition(),
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
            "validationMessages": {
                "type": "array",
                "description": "Findings about the object, as Istio's analysis writes them.",
                "items": {"type": "object", UNKNOWN_FIELDS: True},
            },
            "observedGeneration": _generation(),
        },
    }


def _condition() -> Schema:
    texts = {
        "type": "What it is about, such as Accepted.",
        "status": "True, False or Unknown.",
        "reason": "Why, in one word for programs.",
        "message": "Why, in a sentence for people.",
    }
    times = {
        "lastProbeTime": "When it was last looked at.",
        "lastTransitionTime": "When it became what it is.",
    }
    return {
        "type": "object",
        "description": "One thing that holds, does not, or is not known.",
        "required": ["type"],
        "properties": {
            **{name: {"type": "string", "description": text} for name, text in texts.items()},
            **{
                name: {"type": "string", "format": "date-time", "nullable": True, "description": text}
                for name, text in times.items()
            },
            "observedGeneration": _generation(),
        },
    }


def _generation() -> Schema:
    return {
        "x-kubernetes-int-or-string": True,
        "description": "Generation of the spec that this is about; Istio's tools write it as text.",
    }
