"""``plait bug-report``: what somebody else needs to find out what is wrong, in one file, without secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from xds.cli.bug_report.archive import Archive
from xds.cli.bug_report.collect import Wanted, collect
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.where import Where

app = typer_app()

_MIB: Final = 1024 * 1024


@app.command()
@grouped
def command(
    where: Where,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to. Default: one named by the time.")
    ] = None,
    proxies: Annotated[
        int, typer.Option("--proxies", min=0, metavar="N", help="Of how many proxies all configuration is taken.")
    ] = 10,
    lines: Annotated[
        int, typer.Option("--lines", "--tail", min=0, metavar="N", help="How many last lines of each log.")
    ] = 2000,
    most: Annotated[int, typer.Option("--max-size", min=1, metavar="MIB", help="So much at most, unpacked.")] = 64,
) -> None:
    """Write a file for a maintainer: versions, proxies, configuration, findings, history, metrics, logs.

    Keys, tokens and passwords are left out; names and addresses are not: read it before you publish it. Proxies that
    are out of sync are taken first. Exit status 0, also where some of it could not be had: the file says what.
    """
    now = datetime.now(UTC)
    path = file or Path(f"plait-bug-report-{now:%Y%m%d-%H%M%S}.tar.gz")
    with Archive(path, f"plait-bug-report-{now:%Y%m%d-%H%M%S}", most * _MIB) as archive:
        collect(archive, where, Wanted(proxies, lines))
    typer.echo(f"{path}: {archive.files} files, {path.stat().st_size / _MIB:.1f} MiB")
    for each in archive.missing:
        typer.echo(f"plait: note: not in it: {each}", err=True)
