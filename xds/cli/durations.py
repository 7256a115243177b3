"""Durations as commands take and show them."""

from __future__ import annotations

from datetime import timedelta

from xds.cli.failure import Failure
from xds.kinds.quantities import parse_duration


def duration(text: str, option: str) -> timedelta:
    """``10s``, ``5m``, ``1h30m``. Errors: Failure, which names the option."""
    try:
        return parse_duration(text)
    except ValueError:
        raise Failure(f"{option} must be a duration such as 30s, 5m or 1h, is {text!r}") from None


def shown(length: timedelta) -> str:
    """``5s``, ``3m12s``, ``2h5m``, ``4d3h``: the two largest units."""
    seconds = max(0, int(length.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return "".join(f"{number}{unit}" for number, unit in parts[first : first + 2] if number) or "0s"
