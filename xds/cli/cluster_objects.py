"""The objects of a mesh as they stand in a cluster, read for one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from xds.cli.cluster import Cluster
from xds.cli.failure import Failure
from xds.decoders.shape.api_objects import ApiDecoder, ApiKind, Read
from xds.kinds.authored import Authored, ObjectMeta
from xds.kinds.config_map import ConfigMap
from xds.kinds.pod import Pod
from xds.kinds.registry import BY_GROUP_KIND
from xds.kinds.secret import Secret
from xds.model.api_path import collection, item
from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.model.revision import DEFAULT_REVISION, of_revision
from xds.model.well_known import MESH_CONFIG_MAP
from xds.sources.changes import AuthoredObject

# Which pods run, and where they are, is told by pods; nobody's secrets are needed to say who may call whom.
_NOT_READ: Final = frozenset(
    {"ConfigMap", "Deployment", "EndpointSlice", "Job", "MeshConfig", "Secret", "ServiceAccount", "StatefulSet"}
)
_ALWAYS: Final = frozenset({("", "Pod"), ("", "Namespace"), ("", "Service")})
_OVER: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class MeshObjects:
    """The objects that could be read, and what is wrong with those that could not."""

    objects: tuple[AuthoredObject, ...]
    problems: tuple[Problem, ...]


def mesh_objects(
    cluster: Cluster, known: Iterable[Mapping[str, str]], root_namespace: str, revision: str = ""
) -> MeshObjects:
    """The objects of all kinds that a control plane knows of (its ``/debug/registryz``), and all pods that run.

    They are read as the control plane reads them. Errors: Failure.
    """
    named = tuple(known)
    kinds = _ALWAYS | {(each["group"], each["kind"]) for each in named if each["kind"] not in _NOT_READ}
    read = [one for each in sorted(kinds) if each in BY_GROUP_KIND for one in _all(cluster, BY_GROUP_KIND[each])]
    if any(each["kind"] == "MeshConfig" for each in named):
        name = of_revision(MESH_CONFIG_MAP, revision or DEFAULT_REVISION)
        path = item(collection("", "v1", "configmaps", root_namespace), name)
        read += _read(ConfigMap, "v1", [cluster.get(path)])
    found = (replace(each.found, origin=Origin("")) for each in read if each.found is not None)
    return MeshObjects(
        tuple(each for each in found if not _over(each)), tuple(p for each in read for p in each.problems)
    )


def secrets_named(known: Iterable[Mapping[str, str]]) -> Iterator[AuthoredObject]:
    """Something with a certificate in the place of each Secret that a control plane knows; none of them is read."""
    shown = {"tls.crt": "-----BEGIN CERTIFICATE-----", "tls.key": "-----BEGIN PRIVATE KEY-----"}
    for each in known:
        if (each["group"], each["kind"]) == ("", "Secret"):
            metadata = ObjectMeta(name=each["name"], namespace=each["namespace"])
            ref = ObjectRef("", "Secret", each["namespace"], each["name"])
            yield Object(ref, Secret(metadata=metadata, string_data=shown), Origin(""))


def addresses_of(objects: Iterable[AuthoredObject]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The addresses of the pods among them, by namespace and name."""
    pods = (each for each in objects if isinstance(each.struct, Pod))
    return {(each.ref.namespace, each.ref.name): _addresses(each.struct) for each in pods}


def _addresses(pod: Pod) -> tuple[str, ...]:
    status = pod.status
    return tuple(each.ip for each in status.pod_ips) or ((status.pod_ip,) if status.pod_ip else ())


def _all(cluster: Cluster, struct: type[Authored]) -> Iterator[Read]:
    refusal: Failure | None = None
    for version in struct.KIND.versions:
        try:
            yield from _read(struct, version, cluster.items(collection(struct.KIND.group, version, struct.KIND.plural)))
        except Failure as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal


def _read(struct: type[Authored], version: str, items: Iterable[bytes | msgspec.Raw]) -> Iterator[Read]:
    kind = struct.KIND
    decoder = ApiDecoder(ApiKind(kind.group, kind.name, kind.versions, kind.plural), "")
    return (decoder.read(each, version) for each in items)


def _over(found: AuthoredObject) -> bool:
    return isinstance(found.struct, Pod) and found.struct.status.phase in _OVER
