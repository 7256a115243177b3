"""Objects in a cluster that mean the mesh and that no control plane of this version reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from xds.cli.failure import Failure, Unreachable
from xds.decoders.shape.kind_lookup import no_effect
from xds.explain.listed import Listed, listed
from xds.kinds.authored import Kind
from xds.kinds.crds.unread import UNREAD
from xds.model.api_path import collection
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef

if TYPE_CHECKING:
    from xds.cli.cluster import Cluster


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Head(msgspec.Struct):
    metadata: _Metadata


def unread(cluster: Cluster) -> Iterator[Listed]:
    """A warning for each, as the webhook gives for those that are written: many were there before it was.

    Kinds that the cluster does not have, or that who asks may not list, are left out. Errors: Unreachable.
    """
    for kind in UNREAD:
        for name, namespace in sorted(_names(cluster, kind)):
            ref = ObjectRef(kind.group, kind.name, namespace, name)
            message = no_effect(f"{kind.group}/{kind.versions[0]}", kind.name)
            yield listed(Problem(FieldRef(ref, ("kind",)), "object.kind-unknown", message, Severity.WARNING))


def _names(cluster: Cluster, kind: Kind) -> list[tuple[str, str]]:
    for version in kind.versions:
        try:
            items = list(cluster.items(collection(kind.group, version, kind.plural)))
        except Unreachable:
            raise
        except Failure:
            continue
        heads = [msgspec.json.decode(each, type=_Head).metadata for each in items]
        return [(each.name, each.namespace) for each in heads]
    return []
