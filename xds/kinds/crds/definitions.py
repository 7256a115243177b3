"""The CustomResourceDefinitions of Istio's kinds, as our structs describe them."""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from xds.kinds.authored import Authored, Kind
from xds.kinds.crds.columns import columns
from xds.kinds.crds.schema import UNKNOWN_FIELDS, Schema, field_schema
from xds.kinds.crds.status import status_schema
from xds.kinds.crds.unread import UNREAD
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.registry import KINDS

Definition = dict[str, Any]

PART_OF: Final = "app.kubernetes.io/part-of"
OURS: Final = "plait"
_KEEP: Final = {"helm.sh/resource-policy": "keep"}
_STORED: Final = {("telemetry.istio.io", "Telemetry"): "v1alpha1"}
"""Where Istio does not store the newest version."""


def crd(struct: type[Authored]) -> Definition:
    """The CustomResourceDefinition of a kind that we read.

    Shape:   JSON types, all of them new; every version of the kind is served with the same schema, one is stored.
    Errors:  Unschematic, which is a fault of the struct.
    """
    return _definition(struct.KIND, [_version(struct.KIND, name, _object(struct)) for name in struct.KIND.versions])


def all_crds() -> tuple[Definition, ...]:
    """The definitions of all of Istio's kinds, read or not, by name."""
    read = [struct for struct in KINDS if struct.KIND.group.endswith(".istio.io") and struct is not MeshConfig]
    known = {(struct.KIND.group, struct.KIND.name) for struct in read}
    unread = [_unread(kind) for kind in UNREAD if (kind.group, kind.name) not in known]
    return tuple(sorted([*map(crd, read), *unread], key=lambda made: str(made["metadata"]["name"])))


def _unread(kind: Kind) -> Definition:
    said = f"{kind.name} of Istio: it is not read by this version and has no effect."
    anything = {"type": "object", UNKNOWN_FIELDS: True}

    def object_schema() -> Schema:
        return {"type": "object", "description": said, "properties": {"spec": {**anything}, "status": {**anything}}}

    return _definition(kind, [_version(kind, name, object_schema(), read=False) for name in kind.versions])


def _object(struct: type[Authored]) -> Schema:
    """The schema of the whole object: apiVersion, kind and metadata are the API server's own."""
    required = any(field.name == "spec" and field.required for field in msgspec.structs.fields(struct))
    return {
        "type": "object",
        "description": inspect.getdoc(struct),
        "properties": {"spec": field_schema(struct, "spec"), "status": status_schema()},
        **({"required": ["spec"]} if required else {}),
    }


def _version(kind: Kind, name: str, object_schema: Schema, *, read: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": name == _STORED.get((kind.group, kind.name), kind.versions[0]),
        "additionalPrinterColumns": columns(kind.name, read=read),
        "schema": {"openAPIV3Schema": object_schema},
        "subresources": {"status": {}},
    }


def _definition(kind: Kind, versions: list[dict[str, Any]]) -> Definition:
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "categories": ["istio-io", kind.group.replace(".", "-")],
        **({"shortNames": list(kind.short)} if kind.short else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            "labels": {PART_OF: OURS},
            "annotations": dict(_KEEP),
        },
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "preserveUnknownFields": False,
            "versions": versions,
        },
    }
