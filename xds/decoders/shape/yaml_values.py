"""YAML as kubectl reads it, to plain values: safe against deep nesting and exploding aliases, duplicate keys found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml
from yaml import events
from yaml._yaml import CParser

DEPTH_LIMIT = 100
"""Levels of nesting; the kinds need about 20, and deeper input is an attack or an accident."""

EXPANSION_LIMIT = 100
"""Values that aliases may make of each character of text: kubectl refuses explosions in the same way."""

_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TAG = "tag:yaml.org,2002:"


class YamlFault(Exception):
    """Text that is no YAML; ``line`` counts from 0."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that a mapping has twice; the later value counts. ``line`` counts from 0."""

    path: tuple[str | int, ...]
    line: int


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being filled."""

    container: Any
    anchor: str | None
    size_before: int
    key: Any = None
    has_key: bool = False
    merges: list[Any] = field(default_factory=list)


@lru_cache(maxsize=65536)
def plain_scalar(text: str) -> Any:
    """The value that ``text`` without quotes means: null, bool, int, float or the text itself.

    Dates and times stay text, and 12:30 is no number, as in kubectl and unlike YAML 1.1.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if len(text) < 500 and _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _integer(text: str) -> Any:
    """The number that ``text`` spells; a leading 0 alone makes it octal, as kubectl has it."""
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").replace("_", "")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    try:
        return sign * int(digits, 0)
    except ValueError:  # only underscores after the prefix
        return text


def read_values(text: str) -> tuple[list[Any], list[Duplicate]]:
    """The documents in ``text`` as plain values, and the keys that are there twice.

    Errors: YamlFault at the first place that is no YAML.
    """
    values: list[Any] = []
    duplicates: list[Duplicate] = []
    try:
        parser = CParser(text)
        while not isinstance(event := parser.get_event(), events.StreamEndEvent):
            if isinstance(event, events.DocumentStartEvent):
                values.append(_Builder(parser, len(text), duplicates).build())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = text.splitlines() or [""]
        line = min(mark.line if mark else 0, len(lines) - 1)
        raise YamlFault(_reworded(error, lines[line]), line) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start)
        raise YamlFault(f"has half a character ({_shown(text[error.start])})", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position if isinstance(error.position, int) else 0)
        raise YamlFault(f"has a character that YAML does not allow ({_shown(error.character)})", line) from None
    return values, duplicates


class _Builder:
    """Builds one document from the parser's events, with a stack of its own instead of recursion."""

    def __init__(self, parser: Any, text_size: int, duplicates: list[Duplicate]) -> None:
        self._next = parser.get_event
        self._limit = 10_000 + EXPANSION_LIMIT * text_size
        self._duplicates = duplicates
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0

    def build(self) -> Any:
        """The document's value."""
        root = _Frame([], None, 0)
        self._stack.append(root)
        while True:
            event = self._next()
            kind = event.__class__
            if kind is events.ScalarEvent:
                self._scalar(event)
            elif kind is events.MappingStartEvent:
                self._open({}, event)
            elif kind is events.SequenceStartEvent:
                self._open([], event)
            elif kind is events.AliasEvent:
                self._alias(event)
            elif kind is events.DocumentEndEvent:
                return root.container[0]
            else:
                self._close()

    def _scalar(self, event: Any) -> None:
        frame = self._stack[-1]
        if not frame.has_key and frame.container.__class__ is dict:
            self._key(frame, event)
            return
        value = event.value
        if event.implicit[0]:
            value = plain_scalar(value)
        elif event.tag is not None and not event.implicit[1]:
            value = _tagged(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, 1)

    def _key(self, frame: _Frame, event: Any) -> None:
        """Takes a scalar as key, as it is written: ``on`` and ``80`` are texts there."""
        key = event.value
        frame.has_key = True
        if key == "<<" and event.implicit[0]:
            frame.key = None
            return
        if key in frame.container:
            self._duplicates.append(Duplicate((*self._path(), key), event.start_mark.line))
        frame.key = key

    def _path(self) -> tuple[str | int, ...]:
        """Where the innermost mapping stands."""
        return tuple(
            frame.key if frame.container.__class__ is dict else len(frame.container) for frame in self._stack[1:-1]
        )

    def _open(self, container: Any, event: Any) -> None:
        line = event.start_mark.line
        frame = self._stack[-1]
        if not frame.has_key and frame.container.__class__ is dict:
            raise YamlFault("has a list or mapping as a key; a key must be text", line)
        if len(self._stack) > DEPTH_LIMIT:
            raise YamlFault(f"is nested deeper than {DEPTH_LIMIT} levels", line)
        if event.tag is not None and event.tag not in (_TAG + "map", _TAG + "seq"):
            raise YamlFault(f"has the tag {event.tag!r}, which Kubernetes manifests cannot have", line)
        self._stack.append(_Frame(container, event.anchor, self._size))

    def _close(self) -> None:
        frame = self._stack.pop()
        value = frame.container
        for merged in frame.merges:
            for key, item in merged.items():
                value.setdefault(key, item)
        if frame.anchor:
            self._anchors[frame.anchor] = (value, self._size - frame.size_before + 1)
        self._put(value, 1)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line
        if event.anchor not in self._anchors:
            raise YamlFault(f"uses the alias *{event.anchor} before the anchor &{event.anchor} is complete", line)
        frame = self._stack[-1]
        if not frame.has_key and frame.container.__class__ is dict:
            raise YamlFault("has an alias as a key; write the key itself", line)
        value, size = self._anchors[event.anchor]
        if self._size + size > self._limit:
            raise YamlFault("grows too large through its aliases", line)
        self._put(value, size)

    def _put(self, value: Any, size: int) -> None:
        """Adds a finished value to the innermost container."""
        self._size += size
        frame = self._stack[-1]
        if frame.container.__class__ is not dict:
            frame.container.append(value)
            return
        if frame.key is None:
            merges = value if isinstance(value, list) else [value]
            frame.merges += [merged for merged in merges if isinstance(merged, dict)]
        else:
            frame.container[frame.key] = value
        frame.has_key = False


def _tagged(event: Any) -> Any:
    """The value of a scalar with a tag of its own: only those of JSON's types are known."""
    tag, value = event.tag, event.value
    if tag in ("!", _TAG + "str"):
        return value
    if tag in (_TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null"):
        return plain_scalar(value)
    raise YamlFault(f"has the tag {tag!r}, which Kubernetes manifests cannot have", event.start_mark.line)


_REWORDED = (
    ("found a tab character", "is indented with a tab; YAML takes spaces only"),
    (
        "mapping values are not allowed",
        "has a ':' where none can stand: a line is indented wrongly, or a text with ': ' in it lacks quotes",
    ),
    ("did not find expected key", "is indented unlike the lines around it, or lacks a key"),
    ("did not find expected '-' indicator", "is indented unlike the lines around it, or lacks a '-'"),
    ("could not find expected ':'", "lacks a ':' after a key"),
    ("found unexpected end of stream", "ends within a quoted text"),
    ("found unknown escape character", "has an unknown escape in a text in double quotes; use single quotes"),
    ("did not find expected ',' or", "lacks a ',' or a closing bracket"),
    ("did not find expected node content", "lacks a value or a closing bracket"),
    ("found character that cannot start any token", "has a text that must be quoted, as it starts with @, ` or %"),
)


def _reworded(error: yaml.MarkedYAMLError, line: str) -> str:
    """The parser's complaint about ``line`` in words that say what to do."""
    problem = error.problem or error.context or "no reason given"
    if line.lstrip(" ").startswith("\t") and problem.startswith("found character"):
        return "is indented with a tab; YAML takes spaces only"
    for start, words in _REWORDED:
        if problem.startswith(start):
            return words
    return f"is no YAML: {problem}"


def _shown(character: Any) -> str:
    """A forbidden character as its code point."""
    if isinstance(character, int):
        return f"U+{character:04X}"
    return f"U+{ord(character[:1]):04X}" if isinstance(character, str) and character else repr(character)
