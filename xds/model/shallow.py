"""JSON that is nested too deep to be read, cut: whoever may write any object may nest its metadata by thousands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

DEEPEST: Final = 100
"""Nothing that we read of an object is as deep."""

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)

T = TypeVar("T")


def read(decode: Callable[[Any], T], text: Any) -> T:
    """What ``decode`` makes of JSON (anything like bytes), without its depths where it is too deep.

    Errors: those of ``decode``.
    """
    try:
        return decode(text)
    except RecursionError:
        return decode(shallow(bytes(text)))


def shallow(text: bytes, deepest: int = DEEPEST) -> bytes:
    """``text`` with ``null`` for each object and list that is nested deeper than that."""
    parts: list[bytes] = []
    depth = since = 0
    for token in _TOKEN.finditer(text):
        if text[token.start()] in b"{[":
            depth += 1
            if depth == deepest + 1:
                parts += (text[since : token.start()], b"null")
        elif text[token.start()] in b"}]":
            if depth == deepest + 1:
                since = token.end()
            depth -= 1
    parts.append(text[since:])
    return b"".join(parts)
