"""Which mesh a command is about: a local one, that of a cluster, or a control plane by its address."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.cli.failure import Failure
from xds.cli.local_mesh import running_mesh

if TYPE_CHECKING:
    from xds.cli.cluster import Cluster
    from xds.local.state import MeshEntry

DEFAULT: Final = "127.0.0.1:15014"
ROOT_NAMESPACE: Final = "istio-system"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A local mesh or a cluster; nothing said: the local mesh that runs, else the cluster of the usual kubeconfig."""

    mesh: Annotated[str, typer.Option("--mesh", metavar="NAME", help="Which local mesh, where several run.")] = ""
    kubeconfig: Annotated[
        str,
        typer.Option("--kubeconfig", metavar="FILE", help="A cluster's. Default, where no local mesh runs: kubectl's."),
    ] = ""
    context: Annotated[str, typer.Option("--context", metavar="NAME", help="Which context of the kubeconfig.")] = ""


@dataclass(frozen=True, slots=True)
class Installed(Mesh):
    """The same, and where the control plane is in a cluster."""

    root_namespace: Annotated[
        str,
        typer.Option(
            "-i", "--root-namespace", "--istioNamespace", metavar="NS", help="Where a cluster's control plane is."
        ),
    ] = ROOT_NAMESPACE
    revision: Annotated[
        str, typer.Option("--revision", metavar="REV", help="Which of a cluster's control planes. Default: all.")
    ] = ""


@dataclass(frozen=True, slots=True)
class Where(Installed):
    """The same, or an address."""

    http: Annotated[
        str,
        typer.Option(
            "--http",
            metavar="ADDR",
            envvar="PLAIT_HTTP",
            help=f"The control plane's HTTP address. Default: the local mesh's, a cluster's, else {DEFAULT}.",
        ),
    ] = ""


def found(of: Mesh) -> MeshEntry | Cluster | None:
    """The local mesh or the cluster that is meant; None when neither is there.

    Errors: Failure when what was asked for is not there.
    """
    if of.kubeconfig or of.context:
        if of.mesh:
            raise Failure("--mesh is for a local mesh, --kubeconfig and --context for a cluster: leave one out")
        return _cluster(of.kubeconfig or usual_kubeconfig(), of.context)
    running, usual = running_mesh(of.mesh), usual_kubeconfig()
    return _cluster(usual, "") if running is None and usual else running


def chosen(of: Mesh) -> MeshEntry | Cluster | None:
    """The same, and told of on stderr where it could have been the other as well."""
    from xds.local.state import MeshEntry

    place, usual = found(of), usual_kubeconfig()
    if isinstance(place, MeshEntry) and usual and not of.mesh:
        typer.echo(f"plait: note: this is local mesh {place.name}; for the cluster say --kubeconfig {usual}", err=True)
    return place


def _cluster(kubeconfig: str, context: str) -> Cluster:
    from xds.cli.cluster import cluster

    return cluster(kubeconfig, context)


def usual_kubeconfig() -> str:
    """The file that kubectl would take, or several with ``:`` between them; ``""`` where there is none."""
    stated = os.environ.get("KUBECONFIG", "")
    usual = Path.home() / ".kube" / "config"
    return stated or (str(usual) if usual.is_file() else "")
