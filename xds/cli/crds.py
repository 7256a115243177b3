"""``plait crds``: the custom resource definitions of the kinds that users write: print, apply."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xds.cli.installation import Into
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output


def print_(
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print them.")] = Output.YAML,
) -> None:
    """Print the definitions, for `kubectl apply --server-side -f -`."""
    from xds.install.text import yaml_text
    from xds.kinds.crds.definitions import all_crds

    if output is Output.YAML:
        typer.echo(yaml_text(all_crds()), nl=False)
        return
    whole = {"apiVersion": "v1", "kind": "List", "items": list(all_crds())}
    typer.echo(json.dumps(whole, indent=2, ensure_ascii=False))


def apply(
    into: Into,
    force: Annotated[
        bool, typer.Option("--force", help="Replace also those of Istio or of a later version of plait.")
    ] = False,
) -> None:
    """Write the definitions into a cluster, and wait until it serves the kinds.

    Those that are there already and not plait's are left alone: Istio's own serve as well. No version is ever removed.
    """
    from xds.cli.crds_apply import Definitions
    from xds.kinds.crds.definitions import all_crds

    cluster = Definitions(into.file, into.context)
    ours = all_crds()
    for definition in ours:
        typer.echo(str(cluster.apply(definition, force=force)))
    for definition in ours:
        cluster.wait(definition["metadata"]["name"])


def _app() -> typer.Typer:
    group = typer_app(help="The custom resource definitions of the kinds that users write.")
    group.callback(invoke_without_command=True)(show_help)
    group.command("print")(grouped(print_))
    group.command("apply")(grouped(apply))
    return group


app = _app()
