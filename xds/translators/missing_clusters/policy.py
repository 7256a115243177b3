"""What is answered where a route leads to a cluster that does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class MissingCluster:
    """The status of the answer: 404, 500 or 503."""

    status: int

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self
