"""``plait validate``: whether manifests are valid, each object by itself, as the webhook would say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xds.cli.analyze import print_findings, settings_for
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.output import Output, OutputOption, print_document
from xds.explain.listed import listed
from xds.model.problem import Severity

app = typer_app()


@app.command()
def command(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[FILE|DIR]...", help="The same as -f.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", "--filename", help="A file or a directory of manifests; may be repeated."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Whether manifests are valid, each object by itself; what is wrong between objects is for `plait analyze`.

    Exit status 1 when there is an error.
    """
    from xds.cli.manifests import valid

    wanted = [*(paths or ()), *(file or ())]
    if not wanted:
        raise Failure("say which manifests: plait validate -f FILE")
    try:
        found = valid(wanted, settings_for(wanted))
    except OSError as error:
        raise Failure(str(error)) from None
    shown = [listed(problem) for problem in found]
    if output is Output.TABLE:
        print_findings(shown)
    else:
        print_document(shown, output)
    raise typer.Exit(1 if any(problem.severity is Severity.ERROR for problem in found) else 0)
