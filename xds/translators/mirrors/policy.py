"""What mirrors mean: where copies of requests go, and of which share of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from xds.model.quantity import ALWAYS, Percent
from xds.model.route import Destination


@dataclass(frozen=True, slots=True)
class Mirror:
    """A place that gets copies; ``cluster`` is the destination's, once the view has found it."""

    destination: Destination
    share: Percent = ALWAYS
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Mirrors:
    """All places that get copies of a route's requests; each gets its own share, chosen independently."""

    mirrors: tuple[Mirror, ...]

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self

    def resolved(self, cluster_of: Callable[[Destination], str]) -> Mirrors:
        """The policy with each destination's cluster name filled in."""
        return Mirrors(tuple(replace(each, cluster=cluster_of(each.destination)) for each in self.mirrors))

    def only_to(self, allowed: Callable[[Destination], bool]) -> Mirrors:
        """The policy without the destinations that are not allowed."""
        return Mirrors(tuple(each for each in self.mirrors if allowed(each.destination)))
