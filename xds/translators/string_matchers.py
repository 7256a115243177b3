"""String comparisons as Envoy takes them."""

from __future__ import annotations

from xds.api.envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from xds.api.envoy.type.matcher.v3.string_pb2 import StringMatcher
from xds.model.route import Comparison, StringMatch


def string_matcher(wanted: StringMatch) -> StringMatcher:
    """``wanted`` as a StringMatcher. Errors: ValueError for ``PRESENT``, which each place spells in its own way."""
    match wanted.comparison:
        case Comparison.EXACT:
            return StringMatcher(exact=wanted.value)
        case Comparison.PREFIX | Comparison.SEGMENTS:
            return StringMatcher(prefix=wanted.value)
        case Comparison.REGEX:
            return StringMatcher(safe_regex=RegexMatcher(regex=wanted.value))
        case Comparison.PRESENT:
            raise ValueError("presence is no comparison of strings")
