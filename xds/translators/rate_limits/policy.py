"""How many requests a workload takes: RateLimits as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from math import ceil
from typing import Any, Final

from xds.model.filters import FilterSlot
from xds.model.labels import NO_LABELS, Labels
from xds.model.route import Destination, NamedMatch

SHORTEST: Final = timedelta(milliseconds=50)
"""The shortest period of a token bucket (Envoy's LocalRateLimit.token_bucket)."""


class Told(Enum):
    """What requests are told apart by."""

    HEADER = "header"
    QUERY_PARAM = "query-param"
    IDENTITY = "identity"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class By:
    """One thing that requests are told apart by; ``name`` is the header's or the query parameter's."""

    told: Told
    name: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: of requests that match any alternative (none: all), in counts of their own by each of ``by``.

    ``name`` is unique among all: ``NAMESPACE/OBJECT/NAME``. ``requests`` is 0 where a service counts.
    """

    name: str
    alternatives: tuple[tuple[NamedMatch, ...], ...] = ()
    by: tuple[By, ...] = ()
    requests: int = 0
    burst: int = 0
    period: timedelta = timedelta(seconds=1)
    headers: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """Limits that proxies keep together: of the workloads that one of ``selectors`` selects, ``proxies`` in number."""

    namespace: str
    selectors: tuple[Labels, ...] = (NO_LABELS,)
    proxies: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """Who counts for the proxies; ``cluster`` is filled in by the view."""

    destination: Destination
    domain: str
    timeout: timedelta = timedelta(milliseconds=100)
    fail_closed: bool = False
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one object: each proxy's own, the fleet's, or kept by a service."""

    limits: tuple[Limit, ...]
    shared: Shared | None = None
    service: Service | None = None

    @property
    def of_each(self) -> tuple[Limit, ...]:
        """The limits as one proxy keeps them: its part, rounded up, of what is shared."""
        parts = self.shared.proxies if self.shared is not None else 1
        if parts <= 1:
            return self.limits
        return tuple(
            replace(each, requests=ceil(each.requests / parts), burst=ceil(each.burst / parts)) for each in self.limits
        )


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of all objects that hold for a workload; a request must be within all of them."""

    parts: tuple[Limits, ...] = ()

    def merge(self, parent: RateLimits) -> RateLimits:
        """The limits of both: a narrower scope adds, it replaces nothing."""
        return RateLimits(tuple(dict.fromkeys((*parent.parts, *self.parts))))

    def in_slot(self, slot: FilterSlot, *, tcp: bool) -> RateLimits | None:
        """What the proxy counts itself, or what the one service counts for it; None where there is none."""
        if tcp or slot not in (FilterSlot.RATE_LIMIT, FilterSlot.RATE_LIMIT_SERVICE):
            return None
        by_service = slot is FilterSlot.RATE_LIMIT_SERVICE
        found = tuple(part for part in self.parts if (part.service is not None) == by_service)
        if by_service:  # a filter has one service: the first object's
            found = tuple(part for part in found if part.service == found[0].service)
        return RateLimits(found) if found else None

    def resolved(self, cluster_of: Callable[[Destination], str]) -> RateLimits:
        """The same limits with the clusters of the services that count."""
        return RateLimits(tuple(_resolved(part, cluster_of) for part in self.parts))

    def among(self, proxies_of: Callable[[str, Labels], int]) -> RateLimits:
        """The same limits with how many proxies share each; ``proxies_of`` takes namespace and selector."""
        return RateLimits(tuple(_among(part, proxies_of) for part in self.parts))


def _resolved(part: Limits, cluster_of: Callable[[Destination], str]) -> Limits:
    if part.service is None:
        return part
    return replace(part, service=replace(part.service, cluster=cluster_of(part.service.destination)))


def _among(part: Limits, proxies_of: Callable[[str, Labels], Any]) -> Limits:
    if part.shared is None:
        return part
    count = sum(proxies_of(part.shared.namespace, selector) for selector in part.shared.selectors)
    return replace(part, shared=replace(part.shared, proxies=count))
