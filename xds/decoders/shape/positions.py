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
    _known: dict[Path, int] | None = None
    _items: dict[int, Path] | None = None

    def _lines(self) -> dict[Path, int]:
        if self._known is None:
            self._known = _lines(self.text)
        return self._known

    def line(self, path: Path) -> int:
        """The line of the field, from 1 at the file's start; of the nearest field around it when it is absent."""
        lines = self._lines()
        for end in range(len(path), 0, -1):
            found = lines.get(path[:end])
            if found is not None:
                return self.first_line + found
        return self.first_line

    def has(self, path: Path) -> bool:
        """Whether the document has this field."""
        return path in self._lines()

    def item_at(self, line: int) -> Path:
        """The path of the item that begins at ``line``, in a document that is a List; empty when none does."""
        if self._items is None:
            lines = self._lines()
            self._items = {lines[path]: path for path in lines if len(path) == 2 and path[0] == "items"}
        return self._items.get(line - self.first_line, ())


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
