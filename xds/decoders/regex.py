"""Regular expressions as Envoy takes them: RE2's."""

from __future__ import annotations

from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.regex import refusal


def check_regex(pattern: str, at: FieldRef, reading: Reading) -> None:
    """Report a pattern that RE2 or Envoy refuses, with RE2's own words."""
    if why := refusal(pattern):
        reading.error(at, "regex.invalid", f"must be an RE2 regular expression: {why}")
