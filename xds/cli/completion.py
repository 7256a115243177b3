"""``plait completion``: the script by which a shell completes commands, options and names of pods."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from xds.cli.lazy import typer_app

app = typer_app()

_NAME: Final = "plait"


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@app.command()
def command(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")],
) -> None:
    """Print the completion script of a shell, for example: source <(plait completion bash).

    To keep it: plait completion bash > /etc/bash_completion.d/plait; of zsh a file _plait in a folder of $fpath; of
    fish ~/.config/fish/completions/plait.fish.
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name=_NAME, complete_var=f"_{_NAME.upper()}_COMPLETE", shell=shell.value))
