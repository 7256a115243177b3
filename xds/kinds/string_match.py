"""StringMatch: one way to compare a text."""

from __future__ import annotations

from typing import Annotated

from xds.kinds.authored import Strict
from xds.kinds.quantities import about


class StringMatch(Strict, frozen=True, kw_only=True):
    """A condition on a text: exactly one of the three; none of them asks for presence, where that makes sense."""

    exact: Annotated[str | None, about("The whole text.")] = None
    prefix: Annotated[str | None, about("How it begins.")] = None
    regex: Annotated[str | None, about("RE2 expression that the whole text matches.")] = None
