"""``plait exec``: a command in a pod, as ``kubectl exec`` runs one; in a local pod, in the pod's namespaces."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.local_mesh import candidates, needed_mesh, pod_names
from xds.cli.options import grouped
from xds.cli.target import NamespaceOption, choose
from xds.cli.where import Mesh, chosen

if TYPE_CHECKING:
    from xds.local.state import PodEntry

app = typer_app()


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Options as kubectl has them. A local command always has this terminal, and local containers share namespaces."""

    stdin: Annotated[bool, typer.Option("-i", "--stdin", help="Pass on standard input (cluster).")] = False
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Give it a terminal (cluster).")] = False
    container: Annotated[str, typer.Option("-c", "--container", metavar="NAME", help="Which container (cluster).")] = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What runs where."""

    pod: Annotated[
        str,
        typer.Argument(
            metavar="POD", help="pod, pod.namespace, pod/namespace or deploy/NAME.", autocompletion=pod_names
        ),
    ]
    words: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")]
    namespace: NamespaceOption = ""


def command(target: Target, habits: Kubectl, where: Mesh) -> None:
    """Run a command in a pod of the local mesh, or of a cluster; the exit status is the command's.

    Its traffic goes through the pod's sidecar, as the application's does: plait exec deploy/web -- curl reviews
    """
    from xds.local.state import MeshEntry

    place = chosen(where) or needed_mesh()
    if isinstance(place, MeshEntry):
        known = candidates(place.pods)
        _here(known[choose(target.pod, target.namespace, known)], target.words)
        return
    from xds.cli.cluster import candidate
    from xds.cli.cluster_exec import Session, run

    running = {candidate(pod): pod for pod in place.pods(target.namespace) if pod.status.phase == "Running"}
    pod = running[choose(target.pod, target.namespace, running)]
    session = Session(pod, tuple(target.words), habits.container, stdin=habits.stdin, tty=habits.tty)
    raise typer.Exit(run(place, session))


def _here(entry: PodEntry, words: list[str]) -> None:
    argv = entry.command(tuple(words))
    try:
        os.execvpe(argv[0], argv, {**entry.env, "TERM": os.environ.get("TERM", "dumb")})
    except FileNotFoundError:
        raise Failure(f"{argv[0]} is not installed here") from None


app.command()(grouped(command))
