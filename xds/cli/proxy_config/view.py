"""What a sub-command of ``proxy-config`` shows: lines of a table, each with the resource that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xds.cli.output import Output, print_document, print_table


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table by key of its columns, and the resource, as Envoy spells it, that it was read from."""

    cells: Mapping[str, Any]
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """A table. ``columns`` maps a heading to the key of its cells."""

    columns: Mapping[str, str]
    lines: tuple[Line, ...]

    def resources(self) -> list[Mapping[str, Any]]:
        """The resources behind the lines, each once, in their order."""
        return list({id(line.resource): line.resource for line in self.lines}.values())


def show(view: View, output: Output) -> None:
    """Print the table, or as JSON and YAML the whole resources that its lines are about."""
    if output is Output.TABLE:
        print_table(view.columns, [line.cells for line in view.lines], output)
    else:
        print_document(view.resources(), output)


def show_all(views: Mapping[str, View], output: Output) -> None:
    """Print several tables under each other; JSON and YAML are one document, the resources by the view's name."""
    if output is not Output.TABLE:
        print_document({name: view.resources() for name, view in views.items()}, output)
        return
    filled: Sequence[View] = [view for view in views.values() if view.lines]
    for number, view in enumerate(filled):
        if number:
            print()
        show(view, output)
