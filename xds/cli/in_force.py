"""The objects that a running control plane has, read where it reads them: the files of a local mesh, or a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.where import Where, found

if TYPE_CHECKING:
    from xds.cli.cluster import Cluster
    from xds.cli.manifests import Addresses
    from xds.local.state import MeshEntry
    from xds.model.problem import Problem
    from xds.settings import Settings
    from xds.sources.changes import AuthoredObject


@dataclass(frozen=True, slots=True)
class Known:
    """Objects, what was wrong with those that could not be read, and the addresses of the pods that run.

    ``stand_ins`` are in the place of Secrets that a control plane has and that nobody reads for an answer.
    """

    objects: tuple[AuthoredObject, ...]
    problems: tuple[Problem, ...] = ()
    addresses: Addresses = field(default_factory=dict)
    stand_ins: tuple[AuthoredObject, ...] = ()


def in_force(where: Where, settings: Settings) -> Known:
    """What the control plane that is meant has. Errors: Failure, Unreachable."""
    from xds.local.state import MeshEntry

    place = None if where.http else found(where)
    if place is None or isinstance(place, MeshEntry):
        return _running(where, place, settings)
    return _in_cluster(where, place)


def in_files(paths: Iterable[Path], settings: Settings) -> Known:
    """What stands in these files. Errors: Failure."""
    from xds.cli.manifests import read

    wanted = tuple(paths)
    for path in wanted:
        if not path.exists():
            raise Failure(f"{path}: there is no such file or directory")
    objects, problems = read(wanted, settings)
    return Known(objects, problems)


def _running(where: Where, mesh: MeshEntry | None, settings: Settings) -> Known:
    """The files that a running control plane has read, with the addresses of the pods of its local mesh."""
    asked = control_plane(where)
    here = Path(f"/proc/{mesh.pid}/cwd").resolve() if mesh is not None else Path()
    files = _files(asked.ask("/debug/registryz") or ())
    if not files:
        raise Failure(f"the control plane at {asked.name} has read no files; say where the manifests are with -f")
    pods = mesh.pods if mesh is not None else ()
    known = in_files([here / file for file in files], settings)
    return Known(known.objects, known.problems, {(pod.namespace, pod.name): pod.addresses for pod in pods})


def _in_cluster(where: Where, cluster: Cluster) -> Known:
    from xds.cli.cluster_objects import addresses_of, mesh_objects, secrets_named

    registry = control_plane(where).ask("/debug/registryz") or ()
    read = mesh_objects(cluster, registry, where.root_namespace, where.revision)
    return Known(read.objects, read.problems, addresses_of(read.objects), tuple(secrets_named(registry)))


def _files(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    origins = {str(each.get("origin", "")).rpartition(":") for each in objects}
    return sorted({file for file, colon, line in origins if colon and line.isdigit()})
