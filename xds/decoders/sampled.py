"""Which requests the default access log has, as annotations of a Telemetry say: Istio has no words for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from xds.decoders.row import Authored
from xds.kinds.quantities import parse_duration
from xds.model.refs import FieldRef
from xds.model.telemetry import Sampled

PERCENT: Final = "plait.dev/access-log-percent"
STATUS: Final = "plait.dev/access-log-status"
SLOW: Final = "plait.dev/access-log-slow"
_LONGEST: Final = timedelta(hours=24)


def sampled(annotations: Mapping[str, str], authored: Authored) -> Sampled:
    """What the annotations say. Problems: telemetry.annotation."""
    at = FieldRef(authored.ref, ("metadata", "annotations"))
    percent = _number(annotations, PERCENT, (0, 100), at, authored)
    status = _number(annotations, STATUS, (100, 600), at, authored)
    slow = None
    if (text := annotations.get(SLOW)) is not None:
        slow = _duration(text)
        if slow is None:
            message = f"must be a time from 1ms to 24h such as 500ms, is {text!r}"
            authored.reading.error(at.key(SLOW), "telemetry.annotation", message)
    return Sampled(percent, status, slow)


def _number(
    annotations: Mapping[str, str], name: str, bounds: tuple[int, int], at: FieldRef, authored: Authored
) -> int | None:
    text = annotations.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 3 and bounds[0] <= int(text) <= bounds[1]:
        return int(text)
    message = f"must be a whole number from {bounds[0]} to {bounds[1]}, is {text!r}"
    authored.reading.error(at.key(name), "telemetry.annotation", message)
    return None


def _duration(text: str) -> timedelta | None:
    try:
        found = parse_duration(text)
    except ValueError:
        return None
    return found if timedelta(milliseconds=1) <= found <= _LONGEST else None
