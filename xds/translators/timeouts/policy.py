"""What a timeout means: the longest time from the whole request to the whole answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self


@dataclass(frozen=True, slots=True)
class Timeout:
    """The longest time for a whole request, retries included; 0 is no limit."""

    limit: timedelta

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self


DEFAULT: Final = Timeout(timedelta(0))
"""Where nobody says otherwise: none, unlike Envoy's own 15 s."""
