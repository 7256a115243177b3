"""Options grouped in dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from xds.cli.lazy import typer_app
from xds.cli.options import grouped


@dataclass(frozen=True, slots=True)
class Where:
    """A group with an argument and an option."""

    name: Annotated[str, typer.Argument()]
    port: Annotated[int, typer.Option("--port")] = 80


def test_a_group_stands_as_its_fields() -> None:
    """What the command does with them is its own affair."""

    def show(where: Where, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
        """Shown in the help."""
        typer.echo(f"{where} {loud}")

    app = typer_app()
    app.command()(grouped(show))
    run = CliRunner().invoke
    assert run(app, ["web", "--port", "81", "--loud"]).stdout == "Where(name='web', port=81) True\n"
    assert run(app, ["web"]).stdout == "Where(name='web', port=80) False\n"
    assert "Shown in the help." in run(app, ["--help"]).stdout
    assert run(app, []).exit_code == 2
