"""Write ``docs/cli.md``: the help of every command, as ``plait COMMAND --help`` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from typer.testing import CliRunner

from xds.cli.plait import app

FILE: Final = Path(__file__).parents[1] / "docs" / "cli.md"
_HEAD: Final = """\
# The command line

Made by `python -m tools.docs_cli` from the commands themselves; do not edit. Exit status: 0 fine, 1 findings, 2 usage
or failure; an error is one line on stderr. `-o json` prints whole records where a table shows columns.
"""


def document() -> str:
    """The whole page."""
    return _HEAD + "".join(f"\n## plait {' '.join(words)}\n\n```\n{_help(words)}\n```\n" for words in _commands())


def _commands() -> Iterator[tuple[str, ...]]:
    import typer

    root: Any = typer.main.get_command(app())
    for name, lazy in root.catalogue.items():
        if lazy.hidden:
            continue
        root.load(name)
        command = root.commands[name]
        yield (name,)
        for inner, sub in getattr(command, "commands", {}).items():
            if not sub.hidden:
                yield (name, inner)


def _help(words: tuple[str, ...]) -> str:
    environment = {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}
    result = CliRunner().invoke(app(), [*words, "--help"], prog_name="plait", env=environment)
    return "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
