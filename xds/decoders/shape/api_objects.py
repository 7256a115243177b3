"""From the JSON of the API server to structs: the fast way where an object fits, with every fault named where not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from xds.decoders.build import DECODERS
from xds.decoders.gateway_api.config_map import KEY as AUTHORITIES
from xds.decoders.secret import CREDENTIAL_KEYS, is_credential
from xds.decoders.shape.decode import Decoded, Place, decode_object
from xds.decoders.shape.manifests import MESH_CONFIG, mesh_config, states_mesh
from xds.kinds.authored import Authored, Stored
from xds.kinds.config_map import ConfigMap
from xds.kinds.quantities import decode_hook
from xds.kinds.registry import BY_GROUP_KIND
from xds.kinds.secret import Secret
from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef, Origin

_NOT_IN_THE_API: Final = frozenset(
    {
        ("", "ConfigMap"),
        ("demand.plait", "Demand"),
        ("keys.plait", "KeySet"),
        ("mesh.istio.io", "MeshConfig"),
        ("names.plait", "GatewayName"),
        ("recordings.plait", "Recording"),
    }
)
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class ApiKind:
    """A kind as the API serves it: ``versions`` are those that we read, the newest first.

    ``authorities``: of ConfigMaps, those with roots in ``ca.crt``; else they are the mesh's settings.
    ``kubeconfigs``: of Secrets, those that tell of remote clusters, which are no credentials of the mesh.
    """

    group: str
    name: str
    versions: tuple[str, ...]
    plural: str
    authorities: bool = False
    kubeconfigs: bool = False

    def __str__(self) -> str:
        if self.authorities:
            return f"{self.plural} with authorities"
        if self.kubeconfigs:
            return f"{self.plural} with kubeconfigs"
        return f"{self.plural}.{self.group}" if self.group else self.plural


def api_kinds() -> tuple[ApiKind, ...]:
    """The kinds that shape the mesh and are read from a cluster.

    ConfigMap stands for the MeshConfig in one of them, and again for authorities in any (BackendTLSPolicy names those).
    """
    names = [("", ConfigMap.KIND.name), *(each for each in DECODERS if each not in _NOT_IN_THE_API)]
    kinds = [BY_GROUP_KIND[name].KIND for name in names]
    found = [ApiKind(kind.group, kind.name, kind.versions, kind.plural) for kind in kinds]
    return (*found, replace(found[0], authorities=True))


def kubeconfig_kind() -> ApiKind:
    """The Secrets that tell how remote clusters are reached."""
    kind = Secret.KIND
    return ApiKind(kind.group, kind.name, kind.versions, kind.plural, kubeconfigs=True)


@dataclass(frozen=True, slots=True)
class Named:
    """The name of what an object of the API gives, and the version that it has there."""

    ref: ObjectRef
    resource_version: str


@dataclass(frozen=True, slots=True)
class Read:
    """What an object of the API gives: an Object; nothing, when it is of no use to the mesh; or only findings.

    Shape: ``unreadable`` when its last good version stays.
    """

    named: Named
    found: Object[Authored] | None = None
    unreadable: bool = False
    problems: tuple[Problem, ...] = ()


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class _Head(msgspec.Struct):
    metadata: _Metadata


class ApiDecoder:
    """Reads objects of one kind. ``source`` is what origins are called by, ``cluster`` the remote that has them."""

    def __init__(self, kind: ApiKind, source: str, cluster: str = "") -> None:
        self._struct = BY_GROUP_KIND[kind.group, kind.name]
        self._kind = kind
        self._source = source
        self._cluster = cluster
        self._head = msgspec.json.Decoder(_Head)
        self._decoder: msgspec.json.Decoder[Authored] = msgspec.json.Decoder(self._struct, dec_hook=decode_hook)

    def named(self, raw: bytes | msgspec.Raw) -> Named:
        """The name and version of an object. Errors: msgspec.DecodeError when it is none."""
        return self._named(self._head.decode(raw).metadata)

    def read(self, raw: bytes | msgspec.Raw, version: str) -> Read:
        """What an object in that version of its group gives. Never raises for what a user wrote.

        Errors: msgspec.DecodeError when not even its name can be told: the API server sends none such.
        Problems: those of ``decode_object`` and ``mesh_config``.
        """
        metadata = self._head.decode(raw).metadata
        named = self._named(metadata)
        place = Place(Origin(self._source, 0, named.resource_version))
        try:
            struct = self._fitting(raw)
        except (msgspec.DecodeError, RecursionError):
            return self._slowly(raw, version, named, place)
        if isinstance(struct, ConfigMap):
            if not self._kind.authorities:
                return self._mesh_config(struct, metadata, named, place)
            if AUTHORITIES not in struct.data:
                return Read(named)
            struct = msgspec.structs.replace(struct, data={AUTHORITIES: struct.data[AUTHORITIES]}, binary_data={})
        if isinstance(struct, Secret) and not self._kind.kubeconfigs:
            kept = _credential(struct)
            if kept is None:
                return Read(named)
            struct = kept
        return Read(named, Object(named.ref, struct, place.origin, struct.metadata.generation))

    def _named(self, metadata: _Metadata) -> Named:
        if self._struct is ConfigMap and not self._kind.authorities:
            return Named(MESH_CONFIG, metadata.resource_version)
        ref = ObjectRef(self._kind.group, self._kind.name, metadata.namespace, metadata.name, self._cluster)
        return Named(ref, metadata.resource_version)

    def _fitting(self, raw: bytes | msgspec.Raw) -> Authored:
        """The struct of an object that fits at once. Errors: msgspec.DecodeError, and for what needs more checks."""
        if not issubclass(self._struct, Stored):
            raise msgspec.DecodeError("has a status that is not read, and rules between its fields")
        struct = self._decoder.decode(raw)
        struct.metadata.annotations.pop(_LAST_APPLIED, None)  # a second copy of the object, keys of Secrets included
        return struct

    def _slowly(self, raw: bytes | msgspec.Raw, version: str, named: Named, place: Place) -> Read:
        """What an object gives of which all faults are to be found."""
        try:
            plain = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            problem = Problem(FieldRef(named.ref), "object.shape", f"is no JSON that can be read: {error}")
            return Read(named, unreadable=True, problems=(replace(problem, origin=place.origin),))
        group = self._kind.group
        if isinstance(annotations := plain["metadata"].get("annotations"), dict):
            annotations.pop(_LAST_APPLIED, None)
        # Items of lists of Kubernetes' own kinds do not say what they are.
        plain |= {"apiVersion": f"{group}/{version}" if group else version, "kind": self._kind.name}
        decoded = decode_object(plain, place)
        found = next(iter(decoded.objects), None)
        if found is None or decoded.problems:
            return Read(named, unreadable=True, problems=tuple(self._said(decoded, named, place)))
        return Read(named, replace(found, ref=named.ref))

    def _said(self, decoded: Decoded, named: Named, place: Place) -> Iterator[Problem]:
        """The findings about an object; those about a Secret without what stands in it."""
        for problem in decoded.problems:
            hidden = self._struct is Secret
            message = "has a shape that no Secret has" if hidden else problem.message
            at = FieldRef(named.ref, problem.at.path) if self._cluster else problem.at
            yield replace(problem, at=at, message=message, origin=place.origin)

    def _mesh_config(self, struct: ConfigMap, metadata: _Metadata, named: Named, place: Place) -> Read:
        """The MeshConfig in a ConfigMap; findings are about the ConfigMap, whatever its name and namespace."""
        if not states_mesh(struct):
            return Read(named)
        decoded = mesh_config(struct, place)
        own = ObjectRef("", ConfigMap.KIND.name, metadata.namespace, metadata.name)
        problems = tuple(replace(each, at=FieldRef(own, each.at.path)) for each in decoded.problems)
        found = next(iter(decoded.objects), None)
        return Read(named, found, found is None, problems)


def _credential(secret: Secret) -> Secret | None:
    """The Secret with nothing but what a credential is made of; None when there is nothing of that in it."""
    kept: dict[str, Any] = {name: secret.data[name] for name in sorted(CREDENTIAL_KEYS & secret.data.keys())}
    return msgspec.structs.replace(secret, data=kept) if is_credential(kept.keys()) else None
