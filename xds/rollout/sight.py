"""What one control plane sees of its own proxies in a rollout: what the one that leads decides by, made small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from xds.rollout.cohort import Place
from xds.rollout.signals import TOTAL, Counts, Known, Streams

MOST_STREAMS: Final = 20
"""So many streams of each are told, those with the most requests: some 10 kB in all."""

_MOST_ALIKE: Final = 500
_MOST_TROUBLES: Final = 10
_MOST_TEXT: Final = 500
_NO_LIMIT: Final = 1e300  # JSON has no infinity


@dataclass(frozen=True, slots=True)
class Figures:
    """What proxies have told: the cohort, the other replicas of its workloads, and all others, now and before.

    ``replicas`` is how many such replicas there are; ``settled`` is whether what the cohort has not told was not there.
    ``cohort_known`` and the like are of how long what was before is.
    """

    cohort: Streams = field(default_factory=dict)
    replicas: int = 0
    rest: Streams = field(default_factory=dict)
    others: Streams = field(default_factory=dict)
    cohort_before: Streams = field(default_factory=dict)
    rest_before: Streams = field(default_factory=dict)
    others_before: Streams = field(default_factory=dict)
    settled: bool = True
    cohort_known: Known = field(default_factory=Known)
    rest_known: Known = field(default_factory=Known)
    others_known: Known = field(default_factory=Known)


NO_FIGURES: Final = Figures()


@dataclass(frozen=True, slots=True)
class Sight:
    """What one control plane sees of the round ``number``.

    ``affected`` of its connected proxies are concerned, of which the first would have ``place``. It has moved as many
    as step ``step`` (from 0; -1: none yet) gives it, ``moved``; they have ``acknowledged`` all, or there are
    ``troubles`` that no figure outweighs. ``alike`` are the workloads of those that it has moved, as hashes.
    """

    number: int
    affected: int = 0
    place: Place | None = None
    step: int = -1
    moved: int = 0
    acknowledged: bool = False
    troubles: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    figures: Figures = NO_FIGURES


def bounded(sight: Sight) -> Sight:
    """The same, of bounded size, and fit for JSON."""
    figures = _each(sight.figures, _fewer)
    troubles = tuple(each[:_MOST_TEXT] for each in sight.troubles[:_MOST_TROUBLES])
    return replace(sight, troubles=troubles, alike=sight.alike[:_MOST_ALIKE], figures=figures)


def together(found: Mapping[str, Sight]) -> Figures:
    """The figures of several control planes as one: each has its own proxies."""
    every = [each.figures for each in found.values()]
    return Figures(
        _sum(each.cohort for each in every),
        sum(each.replicas for each in every),
        _sum(each.rest for each in every),
        _sum(each.others for each in every),
        _sum(each.cohort_before for each in every),
        _sum(each.rest_before for each in every),
        _sum(each.others_before for each in every),
        settled=all(each.settled for each in every),
        cohort_known=sum((each.cohort_known for each in every), Known()),
        rest_known=sum((each.rest_known for each in every), Known()),
        others_known=sum((each.others_known for each in every), Known()),
    )


def unlimited(sight: Sight) -> Sight:
    """What ``bounded`` has left, as it was read from JSON."""
    return replace(sight, figures=_each(sight.figures, _unlimited))


def _sum(found: Iterable[Streams]) -> Streams:
    summed: dict[str, Counts] = {}
    for streams in found:
        for name, counts in streams.items():
            summed[name] = summed.get(name, Counts()) + counts
    return summed


def _each(told: Figures, made: Callable[[Streams], Streams]) -> Figures:
    return replace(
        told,
        cohort=made(told.cohort),
        rest=made(told.rest),
        others=made(told.others),
        cohort_before=made(told.cohort_before),
        rest_before=made(told.rest_before),
        others_before=made(told.others_before),
    )


def _fewer(streams: Streams) -> Streams:
    most = sorted(streams, key=lambda name: (name != TOTAL, -streams[name].requests, name))[:MOST_STREAMS]
    return {name: _limited(streams[name]) for name in sorted(most)}


def _limited(counts: Counts) -> Counts:
    if not counts.timed:
        return replace(counts, buckets=())
    return replace(counts, buckets=tuple((min(limit, _NO_LIMIT), count) for limit, count in counts.buckets))


def _unlimited(streams: Streams) -> Streams:
    return {
        name: replace(each, buckets=tuple((inf if limit >= _NO_LIMIT else limit, n) for limit, n in each.buckets))
        for name, each in streams.items()
    }
