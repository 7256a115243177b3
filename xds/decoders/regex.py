"""Regular expressions as Envoy takes them: RE2's."""

from __future__ import annotations

import re2

from xds.model.refs import FieldRef
from xds.translators.feature import Reading


def check_regex(pattern: str, at: FieldRef, reading: Reading) -> None:
    """Report a pattern that RE2 refuses, with RE2's own words."""
    try:
        re2.compile(pattern)
    except re2.error as error:
        reading.error(at, "regex.invalid", f"must be an RE2 regular expression: {error}")
