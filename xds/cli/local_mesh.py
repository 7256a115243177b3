"""The local mesh of ``plait up`` that a command is about, and the pods in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from xds.cli.failure import Failure
from xds.cli.target import Candidate

if TYPE_CHECKING:
    from xds.local.state import MeshEntry, PodEntry


_DEFAULT: Final = "default"


def running_mesh(name: str = "") -> MeshEntry | None:
    """The mesh of that name, else the only one, else ``default``; None when none runs and no name is given.

    Errors: Failure when there is none of that name, or several and no name tells which.
    """
    from xds.local import state

    running = state.running(state.state_folder())
    if not running and not name:
        return None
    if len(running) > 1 and not name and any(mesh.name == _DEFAULT for mesh in running):
        name = _DEFAULT
    try:
        return state.choose(running, name)
    except state.NotFound as error:
        raise Failure(str(error)) from None


def needed_mesh(name: str = "") -> MeshEntry:
    """The same, where nothing can be done without one. Errors: Failure."""
    found = running_mesh(name)
    if found is not None:
        return found
    hint = "" if os.geteuid() == 0 else "; one that root started is seen by root only, so try sudo"
    raise Failure(f"no local mesh is running here: start one with `plait up DIR`{hint}")


def candidates(pods: Iterable[PodEntry]) -> dict[Candidate, PodEntry]:
    """The pods by what users may call them."""
    return {Candidate(pod.namespace, pod.name, pod.workload, pod.workload_kind): pod for pod in pods}


def pod_names(incomplete: str) -> list[str]:
    """What the shell offers for a pod: ``name.namespace`` of every pod of every local mesh that runs."""
    from xds.local import state

    meshes = state.running(state.state_folder())
    names = {f"{pod.name}.{pod.namespace}" for mesh in meshes for pod in mesh.pods}
    return sorted(name for name in names if name.startswith(incomplete))
