"""``plait remote-clusters``: the clusters whose endpoints belong to the mesh, and how well each is being read."""

from __future__ import annotations

from typing import Final

import typer

from xds.cli.control_plane import control_plane
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_table
from xds.cli.where import Where

app = typer_app()

_SOURCE: Final = "remote clusters"
_COLUMNS: Final = {"NAME": "name", "SECRET": "secret", "STATUS": "status", "CONTROL PLANE": "by", "WHY": "why"}


@app.command()
@grouped
def command(where: Where, output: OutputOption = Output.TABLE) -> None:
    """The remote clusters of each control plane: synced, syncing, timeout (counts as empty) or failed, and why.

    Exit status 1 when one of them cannot be read.
    """
    told = control_plane(where).ask_each("/debug/sources")
    rows = [
        {"name": name, "secret": each["secret"], "status": each["status"], "by": by, "why": each["why"]}
        for by, sources in sorted(told.items())
        for name, each in sorted(((sources or {}).get(_SOURCE) or {"clusters": {}})["clusters"].items())
    ]
    print_table(_COLUMNS, rows, output)
    raise typer.Exit(1 if any(each["status"] in ("timeout", "failed") or each["why"] for each in rows) else 0)
