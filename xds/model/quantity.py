"""Quantities whose unit is their type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Percent:
    """A share of 0 to 100, in parts of a million (the finest that Envoy's FractionalPercent takes)."""

    parts_per_million: int

    @classmethod
    def of(cls, value: float) -> Percent:
        """``value`` per cent, rounded to a ten-thousandth of a per cent."""
        return cls(round(value * 10_000))


ALWAYS = Percent(1_000_000)
NEVER = Percent(0)
