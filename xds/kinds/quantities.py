"""The scalar types that fields of kinds have: durations, numbers with bounds, names; and how they decode."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

_UNITS_US = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),
    "μs": Decimal(1),
    "ms": Decimal(1000),
    "s": Decimal(1_000_000),
    "m": Decimal(60_000_000),
    "h": Decimal(3_600_000_000),
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
DURATION_PATTERN = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"
_WHOLE = re.compile(DURATION_PATTERN)
_LONGEST_US = Decimal(876_600 * 3600) * 1_000_000
"""100 years: Envoy takes 292 at most (what an int64 has in nanoseconds), in fields that count seconds 136 (uint32)."""


class _TimedeltaByText(type):
    """Lets plain timedeltas pass as values of the duration types, so that values carry nothing of ours."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, timedelta)


if TYPE_CHECKING:
    Duration = timedelta
    PositiveDuration = timedelta
else:

    class Duration(metaclass=_TimedeltaByText):
        """A duration that may be 0, written like 1.5s, 100ms or 1h30m; decodes to timedelta."""

    class PositiveDuration(metaclass=_TimedeltaByText):
        """A duration of at least 1ms, written like 1.5s, 100ms or 1h30m; decodes to timedelta."""


def parse_duration(text: str) -> timedelta:
    """The duration that ``text`` spells in Go's notation, as protobuf JSON ("1.5s") is a part of it.

    Units:   ns us ms s m h, any number of parts ("1h30m"); "0" needs no unit. Rounded to microseconds.
    Errors:  ValueError for other text, a sign, or more than 100 years.
    """
    if not _WHOLE.fullmatch(text) or len(text) > 100:
        raise ValueError(f"no duration: {text!r}")
    total_us = sum(
        (Decimal(number) * _UNITS_US[unit] for number, unit in _PART.findall(text)),
        Decimal(0),
    )
    if total_us > _LONGEST_US:
        raise ValueError(f"longer than 100 years: {text!r}")
    return timedelta(microseconds=int(total_us.to_integral_value()))


def format_duration(duration: timedelta) -> str:
    """``duration`` as protobuf JSON spells it: seconds with the fraction that it needs ("1.5s")."""
    whole, fraction = divmod(duration // timedelta(microseconds=1), 1_000_000)
    return f"{whole}.{fraction:06d}".rstrip("0").rstrip(".") + "s"


def decode_hook(wanted: type, value: Any) -> Any:
    """``value`` as the custom type ``wanted``: for msgspec's ``dec_hook``.

    Errors: ValueError with a text for the user, NotImplementedError for a type that is not of this file.
    """
    if wanted is Duration or wanted is PositiveDuration:
        if not isinstance(value, str):
            raise ValueError("no duration")
        duration = parse_duration(value)
        if wanted is PositiveDuration and duration < timedelta(milliseconds=1):
            raise ValueError("shorter than 1ms")
        return duration
    raise NotImplementedError(wanted)


def schema_hook(wanted: type) -> dict[str, Any]:
    """The JSON schema of a custom type of this file: for msgspec's ``schema_hook``."""
    if wanted is Duration:
        return {"type": "string", "format": "duration", "pattern": DURATION_PATTERN}
    if wanted is PositiveDuration:
        return {
            "type": "string",
            "format": "positive-duration",
            "pattern": DURATION_PATTERN,
        }
    raise NotImplementedError(wanted)


def about(text: str) -> Meta:
    """The description of a field, for the reference pages and the CRDs."""
    return Meta(description=text)


UInt32 = Annotated[int, Meta(ge=0, le=4_294_967_295)]
NaturalInt32 = Annotated[int, Meta(ge=0, le=2_147_483_647)]
NaturalInt64 = Annotated[int, Meta(ge=0, le=9_223_372_036_854_775_807)]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]
OptionalPortNumber = Annotated[int, Meta(ge=0, le=65_535)]
PercentNumber = Annotated[float, Meta(ge=0, le=100)]
WholePercent = Annotated[int, Meta(ge=0, le=100)]
HTTPStatus = Annotated[int, Meta(ge=200, le=599)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Labels = dict[str, str]
