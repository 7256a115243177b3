"""``plait exec``: a command in a local pod's namespaces, as ``kubectl exec`` runs one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from xds.cli.control_plane import MeshOption
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.local_mesh import candidates, needed_mesh, pod_names
from xds.cli.options import grouped
from xds.cli.target import NamespaceOption, choose

app = typer_app()


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Options that fingers type from habit. The command always has this terminal, and containers share namespaces."""

    stdin: Annotated[bool, typer.Option("-i", "--stdin", hidden=True)] = False
    tty: Annotated[bool, typer.Option("-t", "--tty", hidden=True)] = False
    container: Annotated[str, typer.Option("-c", "--container", hidden=True)] = ""


def command(
    pod: Annotated[
        str,
        typer.Argument(
            metavar="POD", help="pod, pod.namespace, pod/namespace or deploy/NAME.", autocompletion=pod_names
        ),
    ],
    words: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")],
    habits: Kubectl,
    namespace: NamespaceOption = "",
    mesh: MeshOption = "",
) -> None:
    """Run a command in the network namespace of a local pod; the exit status is the command's.

    Its traffic goes through the pod's sidecar, as the application's does: plait exec deploy/web -- curl reviews
    """
    known = candidates(needed_mesh(mesh).pods)
    entry = known[choose(pod, namespace, known)]
    argv = entry.command(tuple(words))
    try:
        os.execvpe(argv[0], argv, {**entry.env, "TERM": os.environ.get("TERM", "dumb")})
    except FileNotFoundError:
        raise Failure(f"{argv[0]} is not installed here") from None


app.command()(grouped(command))
