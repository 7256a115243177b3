"""Lines of fields: found by reading one document again, and only for findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Positions:
    """The lines of the fields of the first document in ``text``; composed when first asked."""

    text: str
    first_line: int
    _lines: dict[Path, int] | None = None

    def line(self, path: Path) -> int:
        """The line of the field, from 1 at the file's start; of the nearest field around it when it is absent."""
        if self._lines is None:
            self._lines = _lines(self.text)
        for end in range(len(path), 0, -1):
            found = self._lines.get(path[:end])
            if found is not None:
                return self.first_line + found
        return self.first_line


def _lines(text: str) -> dict[Path, int]:
    """The lines, from 0, of all fields of a document that was read before, so that it is neither deep nor endless."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:  # JSON that is no YAML, a second document behind "..."
        return {}
    return dict(_walk(node, ())) if node is not None else {}


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, _text(key))
            yield below, key.start_mark.line
            yield from _walk(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            below = (*path, index)
            yield below, value.start_mark.line
            yield from _walk(value, below)


def _text(key: Any) -> str:
    """A key as it is written."""
    return key.value if isinstance(key.value, str) else ""
