"""A group of commands that imports a command's module only when that command runs, and the way errors are told."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from xds.cli.failure import Failure
from xds.cli.istioctl import here


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is (a module with a ``typer.Typer`` named ``app``) and its line in the help."""

    module: str
    help: str
    hidden: bool = False


def typer_app(**settings: Any) -> typer.Typer:
    """An app with our habits: no completion options of its own, and plain help (rich's doubles the start-up time)."""
    defaults: dict[str, Any] = {
        "add_completion": False,
        "pretty_exceptions_enable": False,
        "rich_markup_mode": None,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }
    return typer.Typer(**{**defaults, **settings})


def show_help(context: typer.Context) -> None:
    """The callback of a group: called without a command it shows the help, with status 2."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


class LazyGroup(TyperGroup):
    """A group whose commands are listed from ``catalogue`` and imported when they are called.

    Help and completion of the group itself need the names and one line each, so they import nothing. ``elsewhere`` has
    names that other tools have, and what is here instead.
    """

    catalogue: ClassVar[Mapping[str, Lazy]] = {}
    elsewhere: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, lazy in self.catalogue.items():
            self.commands[name] = TyperCommand(name, help=lazy.help, hidden=lazy.hidden)
        self._loaded: set[str] = set()

    # The context's class is private to typer, hence Any.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that ``args`` begins with, now imported, and the arguments left for it."""
        self.load(args[0])
        if args[0] not in self.commands and args[0] in self.elsewhere:
            raise Failure(here(args[0], self.elsewhere[args[0]]))
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> None:
        """Import the command ``name``; nothing when there is none or it was imported before."""
        lazy = self.catalogue.get(name)
        if lazy is None or name in self._loaded:
            return
        command = typer.main.get_command(importlib.import_module(lazy.module).app)
        command.name, command.hidden = name, lazy.hidden
        self.commands[name] = command
        self._loaded.add(name)

    def main(  # type: ignore[override]  # nobody passes the other parameters by position
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Run with ``args`` (the process's own when None) and exit; errors are one line on stderr and status 2."""
        try:
            status = super().main(args, standalone_mode=False, **extra)
        except TyperException as error:
            _fail(error.format_message(), hint=_hint(error))
        except Failure as error:
            _fail(str(error))
        except typer.Abort:
            sys.exit(130)
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except Exception as error:
            if os.environ.get("PLAIT_TRACEBACK"):
                raise
            _fail(_bug(error))
        if not standalone_mode:
            return status
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, hint: str = "") -> NoReturn:
    typer.secho("plait: error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(" ".join(message.split("\n")) + hint, err=True)
    sys.exit(2)


def _hint(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""


def _bug(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"a bug in plait: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno}); "
        "PLAIT_TRACEBACK=1 shows where it came from"
    )
