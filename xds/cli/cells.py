"""Numbers as cells of tables have them: short, with their units."""

from __future__ import annotations


def per_second(rate: float) -> str:
    """``0.05``, ``1.2``, ``340``."""
    if rate < 1:
        return f"{rate:.2f}"
    return f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def percent(part: float, whole: float) -> str:
    """``4.2%``; nothing where there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else ""


def milliseconds(length: float | None) -> str:
    """``4.8ms``, ``120ms``, ``1.3s``; nothing where it is not known."""
    if not length:
        return "" if length is None else "0ms"
    if length >= 1000:
        return f"{length / 1000:.1f}s"
    return f"{length:.1f}ms" if length < 10 else f"{length:.0f}ms"


def size(count: float) -> str:
    """``512B``, ``1.2KB``, ``3.4MB``."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f}{unit}" if unit == "B" else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.1f}GB"
