"""The objects of a mesh as they stand in a cluster, read for one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from xds.cli.cluster import Cluster
from xds.cli.failure import Failure
from xds.kinds.authored import Authored, Kind
from xds.kinds.pod import Pod
from xds.kinds.registry import BY_GROUP_KIND
from xds.model.object import Object
from xds.model.refs import ObjectRef, Origin
from xds.sources.changes import AuthoredObject

# Which pods run, and where they are, is told by pods; nobody's secrets are needed to say who may call whom.
_NOT_READ: Final = frozenset(
    {"Deployment", "EndpointSlice", "Job", "MeshConfig", "Secret", "ServiceAccount", "StatefulSet"}
)
_ALWAYS: Final = frozenset({("", "Pod"), ("", "Namespace"), ("", "Service")})
_OVER: Final = frozenset({"Succeeded", "Failed"})


def mesh_objects(cluster: Cluster, known: Iterable[Mapping[str, str]]) -> tuple[AuthoredObject, ...]:
    """The objects of all kinds that a control plane knows of (its ``/debug/registryz``), and all pods that run.

    Those that cannot be read are left out, as the control plane leaves them out. Errors: Failure.
    """
    named = [each for each in known if each["kind"] not in _NOT_READ]
    kinds = _ALWAYS | {(each["group"], each["kind"]) for each in named if each["kind"] != "ConfigMap"}
    found = [one for each in sorted(kinds) if each in BY_GROUP_KIND for one in _all(cluster, BY_GROUP_KIND[each])]
    for each in named:
        if each["kind"] == "ConfigMap":
            path = f"/api/v1/namespaces/{each['namespace']}/configmaps/{each['name']}"
            found += _read(BY_GROUP_KIND["", "ConfigMap"], [cluster.get(path)])
    return tuple(found)


def addresses_of(objects: Iterable[AuthoredObject]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The addresses of the pods among them, by namespace and name."""
    pods = (each for each in objects if isinstance(each.struct, Pod))
    return {(each.ref.namespace, each.ref.name): _addresses(each.struct) for each in pods}


def _addresses(pod: Pod) -> tuple[str, ...]:
    status = pod.status
    return tuple(each.ip for each in status.pod_ips) or ((status.pod_ip,) if status.pod_ip else ())


def _all(cluster: Cluster, struct: type[Authored]) -> Iterator[AuthoredObject]:
    refusal: Failure | None = None
    for version in struct.KIND.versions:
        try:
            yield from _read(struct, cluster.items(_path(struct.KIND, version)))
        except Failure as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal


def _path(kind: Kind, version: str) -> str:
    return f"/apis/{kind.group}/{version}/{kind.plural}" if kind.group else f"/api/{version}/{kind.plural}"


def _read(struct: type[Authored], items: Iterable[bytes | msgspec.Raw]) -> Iterator[AuthoredObject]:
    for item in items:
        try:
            read: Any = msgspec.json.decode(item, type=struct)
        except msgspec.ValidationError:
            continue
        if isinstance(read, Pod) and read.status.phase in _OVER:
            continue
        ref = ObjectRef(struct.KIND.group, struct.KIND.name, read.metadata.namespace, read.metadata.name)
        yield Object(ref, read, Origin(""))
