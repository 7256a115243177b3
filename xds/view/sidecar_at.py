"""Whose a Sidecar object is, and what it says: the oldest that selects a workload, else its namespace's, else all's."""

from __future__ import annotations

from xds.model.labels import Labels
from xds.model.mesh import Mesh
from xds.model.refs import ObjectRef
from xds.model.security import Attachment
from xds.model.sidecar import Sidecar
from xds.model.snapshot import Table
from xds.view.graph import Read


def sidecar_at(read: Read, namespace: str, labels: Labels) -> ObjectRef | None:
    """The Sidecar that holds for workloads of a namespace with these labels, or None.

    Source: istio-semantics 1.7: one that selects them, one for all of the namespace, one of the root namespace for all;
    the oldest of each.
    """
    own: tuple[Attachment, ...] = read.rows(Table.SIDECAR_SELECTOR, namespace)
    chosen = next((each.of for each in own if each.selector and each.selector <= labels), None)
    if chosen is not None:
        return chosen
    wide: tuple[Attachment, ...] = read.rows(Table.SIDECAR_SELECTOR, _root_namespace(read))
    return next((each.of for each in (*own, *wide) if not each.selector), None)


def sidecar(read: Read, of: ObjectRef | None) -> Sidecar | None:
    """What that Sidecar says."""
    found: Sidecar | None = read.first(Table.SIDECAR, of) if of is not None else None
    return found


def outbound_sidecar(read: Read, namespace: str, labels: Labels) -> ObjectRef | None:
    """The Sidecar that takes something away from what those workloads reach, or None."""
    found = sidecar(read, read.get(sidecar_at, namespace, labels))
    return found.ref if found is not None and not found.reaches_all else None


def names_own(read: Read, of: ObjectRef) -> bool:
    """Whether a Sidecar means other hosts in each namespace that it holds for."""
    found = sidecar(read, of)
    return found is not None and found.names_own


def _root_namespace(read: Read) -> str:
    settings: Mesh | None = read.first(Table.MESH, "")
    return (settings or Mesh()).root_namespace
