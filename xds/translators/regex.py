"""Regular expressions as Envoy takes them: RE2's, up to a size."""

from __future__ import annotations

from typing import Final

import re2

# The limit that our bootstraps set (runtime key re2.max_program_size.error_level); Envoy's own is 100.
LARGEST_PROGRAM: Final = 32768


def refusal(pattern: str) -> str:
    """Why Envoy would not take ``pattern``, in a few words; empty when it would."""
    compiled = _compiled(pattern)
    if isinstance(compiled, str):
        return compiled
    if compiled.programsize > LARGEST_PROGRAM:
        return f"its RE2 program has {compiled.programsize} instructions, more than {LARGEST_PROGRAM}"
    return ""


def groups(pattern: str) -> int:
    """How many groups ``pattern`` captures; 0 when it is no expression."""
    compiled = _compiled(pattern)
    return 0 if isinstance(compiled, str) else compiled.groups


def _compiled(pattern: str) -> re2._Regexp[str] | str:
    if not pattern:
        return "it is empty"
    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        cause = error.args[0] if error.args else error
        return cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause)
