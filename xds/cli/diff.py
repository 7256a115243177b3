"""``plait diff``: what Envoys would be sent otherwise, were manifests applied, and whose connections that cuts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.cli.in_force import Known
    from xds.settings import Settings

app = typer_app()


@dataclass(frozen=True, slots=True)
class Files:
    """What is compared."""

    file: Annotated[
        list[Path],
        typer.Option("-f", "--file", help="Manifests that would be applied: a file or a directory; may be repeated."),
    ]
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Manifests that are all there is now; -f is then all there would be. Default: what runs, and -f is "
            "applied to it.",
        ),
    ] = None


def command(files: Files, where: Where, output: OutputOption = Output.TABLE) -> None:
    """What Envoys would be sent otherwise, were the manifests applied; which connections that would cut, and why.

    Computed without a proxy. Exit status: 0 no difference, 1 differences, 2 failure.
    """
    from xds.cli.differences import compared, cut, document, print_differences
    from xds.cli.open_connections import open_connections
    from xds.setting_values import SettingError
    from xds.settings import Settings

    try:
        settings = Settings.resolve(os.environ, {"manifests": tuple(files.file)})
    except SettingError as error:
        raise Failure(str(error)) from None
    before, after = _sides(files, where, settings)
    found = compared(before, after, settings)
    told = document(found, {} if files.against or where.http else open_connections(where, cut(found)))
    if output is Output.TABLE:
        print_differences(told)
    else:
        print_document(told, output)
    raise typer.Exit(1 if _differs(told) else 0)


def _sides(files: Files, where: Where, settings: Settings) -> tuple[Known, Known]:
    from xds.cli.in_force import Known, in_files, in_force

    given = in_files(files.file, settings)
    if files.against:
        return in_files(files.against, settings), given
    before = in_force(where, settings)
    objects = {each.ref: each for each in (*before.objects, *given.objects)}
    return before, Known(tuple(objects.values()), given.problems, before.addresses)


def _differs(told: Mapping[str, Any]) -> bool:
    return bool(told["groups"] or told["new_proxies"] or told["gone_proxies"] or told["problems"])


app.command()(grouped(command))
