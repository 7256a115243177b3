"""What a CORS policy means: which origins' pages may call, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from xds.model.route import StringMatch


@dataclass(frozen=True, slots=True)
class Cors:
    """What browsers are told about calls from pages of other origins.

    Shape: an exact origin ``*`` is any; ``max_age`` and ``credentials`` None say nothing to the browser;
    ``forward_unmatched`` sends preflights of other origins on to the application.
    Units: ``max_age`` counts in whole seconds.
    """

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: timedelta | None = None
    credentials: bool | None = None
    forward_unmatched: bool = True

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self
