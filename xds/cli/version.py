"""``plait version``: of this command, of the control planes that answer, and of the proxies' Envoys."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Final

import typer

from xds import __version__
from xds.cli.connected import connected
from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.failure import Failure, Unreachable
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.where import Where

app = typer_app()

_INFO: Final = re.compile(r'^pilot_info\{[^}]*version="([^"]*)"', re.MULTILINE)


@app.command()
@grouped
def command(
    where: Where,
    remote: Annotated[
        bool, typer.Option("--remote/--client", help="Whether control planes and proxies are asked, too.")
    ] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """The version of this command, of the control plane, and of its proxies' Envoys with how many have each.

    Where no control plane answers, the first alone. Exit status 0.
    """
    planes: dict[str, str] = {}
    envoys: Counter[str] = Counter()
    if remote:
        try:
            to = control_plane(where)
            planes = _versions(to)
            envoys = Counter(one["envoy"] or "unknown" for one in connected(to))
        except Failure as error:
            typer.echo(f"plait: note: {error}", err=True)
    if output is not Output.TABLE:
        print_document(
            {"client": __version__, "control_plane": planes, "data_plane": dict(sorted(envoys.items()))}, output
        )
        return
    typer.echo(f"client version: {__version__}")
    for version, count in sorted(Counter(planes.values()).items()):
        typer.echo(f"control plane version: {version}{f' ({count} replicas)' if count > 1 else ''}")
    for version, count in sorted(envoys.items()):
        typer.echo(f"data plane version: Envoy {version} ({count} {'proxy' if count == 1 else 'proxies'})")


def _versions(to: ControlPlane) -> dict[str, str]:
    """The version of each replica that answers, by its name."""
    found: dict[str, str] = {}
    for each in to.replicas:
        try:
            status, body = each.get("/metrics")
        except Unreachable as error:
            typer.echo(f"plait: note: {error}", err=True)
            continue
        told = _INFO.search(body.decode(errors="replace")) if status == 200 else None
        found[each.name] = told[1] if told is not None else "unknown"
    return found
