"""``plait completion``: the script by which a shell completes commands, options and names of pods."""

from __future__ import annotations

import os
import sys
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
    import subprocess

    # How programs that are made with Click are asked for it; there is no function for that.
    asked = {**os.environ, f"_{_NAME.upper()}_COMPLETE": f"source_{shell.value}"}
    command = (sys.executable, "-c", "from xds.cli import main; main()")
    told = subprocess.run(command, env=asked, stdout=subprocess.PIPE, text=True, check=True)
    typer.echo(told.stdout.strip())
