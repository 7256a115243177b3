"""Plain JSON values, read without trust: what is of another type counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def mapping(value: object) -> Json:
    """The mapping itself, so that changes reach it; else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Json]:
    """The mappings in a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: object) -> dict[str, str]:
    """The entries of a mapping that are text: labels, annotations."""
    if not isinstance(value, Mapping):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str) and isinstance(each, str)}


def text(value: object) -> str:
    """The text; empty for anything else."""
    return value if isinstance(value, str) else ""


def number(value: object, default: int) -> int:
    """The whole number; ``default`` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def port_number(value: object) -> int:
    """The port; 0 for anything else."""
    port = number(value, 0)
    return port if 0 < port < 65536 else 0
