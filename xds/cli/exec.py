"""``plait exec``: a command in a local pod's namespaces, as ``kubectl exec`` runs one."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from xds.cli.control_plane import MeshOption
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.local_mesh import candidates, needed_mesh, pod_names
from xds.cli.target import NamespaceOption, choose

app = typer_app()


@app.command(context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]})
def command(
    pod: Annotated[
        str,
        typer.Argument(
            metavar="POD", help="pod, pod.namespace, pod/namespace or deploy/NAME.", autocompletion=pod_names
        ),
    ],
    words: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")],
    namespace: NamespaceOption = "",
    mesh: MeshOption = "",
) -> None:
    """Run a command in the network namespace of a local pod; the exit status is the command's.

    Its traffic goes through the pod's sidecar, as the application's does: plait exec deploy/web -- curl reviews
    """
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise Failure("say what to run: plait exec POD -- CMD")
    known = candidates(needed_mesh(mesh).pods)
    entry = known[choose(pod, namespace, known)]
    argv = entry.command(tuple(words))
    try:
        os.execvpe(argv[0], argv, {**entry.env, "TERM": os.environ.get("TERM", "dumb")})
    except FileNotFoundError:
        raise Failure(f"{argv[0]} is not installed here") from None
