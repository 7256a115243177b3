"""What proxies tell of requests, as the judge of a rollout is given it, and the one Protocol through which it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median_low
from typing import Final, Protocol

from xds.model.proxy import Proxy

INBOUND: Final = ""
"""The stream of what a proxy's own workload is asked; all others are named by the host that is called."""

TOTAL: Final = "*"
"""All streams of a proxy as one: a request that is led nowhere has no host any more, and is missed where it was."""

TCP: Final = " (TCP)"
"""The end of the names of streams of TCP connections: requests are those that were opened to the server, failed are
those that have ended without an answer."""

INBOUND_TCP: Final = INBOUND + TCP
INBOUND_STREAMS: Final = frozenset({INBOUND, INBOUND_TCP})

_TIMES_MEDIAN: Final = 3
_ALWAYS: Final = 100  # so that one that tells next to nothing takes little from those that tell much


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one stream in one span of time.

    Shape: ``refused`` are answers 4xx, ``failed`` are 5xx and those that never came; ``buckets`` are pairs of an upper
    limit and how many requests took as long as that and longer than the limit before, sorted; the last may be inf.
    Units: limits are milliseconds.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    buckets: tuple[tuple[float, int], ...] = ()

    def __add__(self, other: Counts) -> Counts:
        if not self.requests or not other.requests:
            return other if not self.requests else self
        summed = dict(self.buckets)
        for limit, count in other.buckets:
            summed[limit] = summed.get(limit, 0) + count
        return Counts(
            self.requests + other.requests,
            self.refused + other.refused,
            self.failed + other.failed,
            tuple(sorted(summed.items())),
        )

    def at_most(self, most: int) -> Counts:
        """The same shares of at most so many requests; the buckets, which are told apart, are of as many at most."""
        if self.requests <= most and self.timed <= most:
            return self
        share = min(1.0, most / self.requests) if self.requests else 1.0
        refused, failed = round(self.refused * share), round(self.failed * share)
        return Counts(min(self.requests, most), refused, failed, _fewer(self.buckets, most))

    @property
    def timed(self) -> int:
        """How many requests are in the buckets."""
        return sum(count for _, count in self.buckets)

    def quantile(self, share: float) -> float | None:
        """How long that share of requests took at most, as straight lines between limits tell; None for no requests.

        Units: milliseconds. What lies beyond the last finite limit counts as that limit.
        """
        wanted, seen, lower = share * self.timed, 0, 0.0
        if not self.timed:
            return None
        for upper, count in self.buckets:
            if count and seen + count >= wanted:
                return lower if upper == inf else lower + (upper - lower) * (wanted - seen) / count
            seen, lower = seen + count, lower if upper == inf else upper
        return lower

    def slower_than(self, limit_ms: float) -> float:
        """How many requests took longer, as straight lines between the limits tell."""
        found, lower = 0.0, 0.0
        for upper, count in self.buckets:
            if lower >= limit_ms:
                found += count
            elif upper != inf and upper > limit_ms:
                found += count * (upper - limit_ms) / (upper - lower)
            lower = upper
        return found


Streams = Mapping[str, Counts]
"""Counts by stream: ``INBOUND``, the host that was called, or ``TOTAL``."""


@dataclass(frozen=True, slots=True)
class Known:
    """So many proxies have told of so many seconds, all together, before something was watched."""

    proxies: int = 0
    seconds: float = 0.0

    def __add__(self, other: Known) -> Known:
        return Known(self.proxies + other.proxies, self.seconds + other.seconds)

    def times(self, other: Known) -> float:
        """How many times as long as of each of the others; 1 where nobody knows."""
        if not self.seconds or not other.seconds:
            return 1.0
        return (self.seconds / self.proxies) / (other.seconds / other.proxies)


class Signals(Protocol):
    """Who knows what proxies tell of requests."""

    def begin(self) -> None:
        """From now on something is watched."""

    def since(self, proxies: Iterable[Proxy]) -> Streams:
        """What these proxies together have told since ``begin``."""
        ...

    def settled(self, proxies: Iterable[Proxy]) -> bool:
        """Whether each of these that tells anything at all has told of a while since ``begin``: what is not counted by
        then was not there.
        """
        ...

    def before(self, proxies: Iterable[Proxy]) -> Streams:
        """What they had told in the minutes before that."""
        ...

    def known(self, proxies: Iterable[Proxy]) -> Known:
        """Of how long that is: of those that came just now of less than of others."""
        ...


def with_total(streams: Streams) -> Streams:
    """The same, and beside them their sum."""
    if not streams or TOTAL in streams:
        return streams
    return {**streams, TOTAL: sum((each for name, each in streams.items() if not name.endswith(TCP)), Counts())}


def together(found: Iterable[Streams]) -> Streams:
    """What several proxies tell as one, each as far as ``capped`` believes it."""
    told: dict[str, list[Counts]] = {}
    for streams in found:
        for name, counts in streams.items():
            told.setdefault(name, []).append(counts)
    return {name: sum(capped(each), Counts()) for name, each in told.items()}


def capped(told: Sequence[Counts]) -> list[Counts]:
    """What each proxy tells of one stream, none of it weighing more than three times the median, or 100 requests.

    Proxies' counts are their word: one that invents millions of good requests must not hide how the others fare.
    """
    asked = [each.requests for each in told if each.requests]
    most = max(_ALWAYS, _TIMES_MEDIAN * median_low(asked)) if asked else _ALWAYS
    return [each.at_most(most) for each in told]


def _fewer(buckets: tuple[tuple[float, int], ...], most: int) -> tuple[tuple[float, int], ...]:
    timed = sum(count for _, count in buckets)
    if timed <= most:
        return buckets
    found, seen, before = list[tuple[float, int]](), 0, 0
    for limit, count in buckets:
        seen += count
        upto = seen * most // timed  # of sums, so that the whole stays the whole
        found.append((limit, upto - before))
        before = upto
    return tuple(found)
