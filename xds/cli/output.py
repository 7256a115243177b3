"""How commands print: one table for people, the same rows as JSON or YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Row = Mapping[str, Any]


class Output(StrEnum):
    """The forms of ``-o``; ``short`` is istioctl's word for a table, and no command is given it."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    SHORT = "short"


def _one_of_ours(output: Output) -> Output:
    return Output.TABLE if output is Output.SHORT else output


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print it.", callback=_one_of_ours)]

_STYLES: Final = {
    "SYNCED": "green",
    "STALE": "yellow",
    "REJECTED": "bold red",
    "NOT SENT": "dim",
    "HEALTHY": "green",
    "DEGRADED": "yellow",
    "DRAINING": "yellow",
    "UNHEALTHY": "bold red",
    "TIMEOUT": "bold red",
    "FAILED": "bold red",
    "ACTIVE": "green",
    "WARMING": "yellow",
    "error": "bold red",
    "warning": "yellow",
    "info": "blue",
}
_GAP: Final = "   "


def print_table(columns: Mapping[str, str], rows: Sequence[Row], output: Output) -> None:
    """Print ``rows`` to stdout.

    Shape: ``columns`` maps a heading to the key of its cell. A table shows these; JSON and YAML show the rows whole.
    """
    if output is not Output.TABLE:
        print_document(list(rows), output)
        return
    cells = [tuple(columns), *(tuple(_cell(row.get(key)) for key in columns.values()) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    console = stdout()
    for number, line in enumerate(cells):
        console.print(_line(line, widths, heading=number == 0), soft_wrap=True)


def print_document(document: object, output: Output) -> None:
    """Print one JSON or YAML document to stdout; keys stay in their order, a table is asked for as JSON."""
    if output is Output.YAML:
        import yaml

        sys.stdout.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120))
    else:
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_next(document: object, output: Output) -> None:
    """Print one of a stream of documents to stdout at once: JSON as one line, YAML with its mark in front."""
    if output is Output.YAML:
        sys.stdout.write("---\n")
        print_document(document, output)
    else:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def stdout() -> Console:
    """Where people read: colours on a terminal (not with NO_COLOR), plain text in a pipe, nothing cut or wrapped."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _line(cells: Sequence[str], widths: Sequence[int], *, heading: bool) -> Text:
    from rich.text import Text

    line = Text()
    for cell, width in zip(cells[:-1], widths[:-1], strict=True):
        line.append(cell.ljust(width), "bold" if heading else _STYLES.get(cell, ""))
        line.append(_GAP)
    line.append(cells[-1], "bold" if heading else _STYLES.get(cells[-1], ""))
    line.rstrip()
    return line


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "-"
    return str(value)
