"""Prometheus' text format, version 0.0.4: metrics in, one text out; what counts them.

Prometheus' own client library puts ``_total`` behind the name of every counter, and istiod's names have none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a metric; ``labels`` are (name, value) pairs, ``suffix`` is a histogram's (``_sum``)."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with all its samples; ``name`` ends in its unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, about: str, value: float) -> Metric:
    """A gauge without labels."""
    return Metric(name, "gauge", about, (Sample(value),))


def render(metrics: Iterable[Metric]) -> str:
    """The text that a Prometheus server reads, metrics by name."""
    lines: list[str] = []
    for metric in sorted(metrics, key=lambda metric: metric.name):
        lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        lines.extend(_line(metric.name, sample) for sample in metric.samples)
    return "\n".join(lines) + "\n"


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sample.labels)
    number = int(sample.value) if float(sample.value).is_integer() else sample.value
    return f"{name}{sample.suffix}{'{' + labels + '}' if labels else ''} {number}"


class Counter:
    """Counts that only grow, by the values of ``labels``, in their order."""

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self._name, self._about, self._labels = name, about, labels
        self._counts: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, *values: str, by: float = 1) -> None:
        """Count what has these values of the labels."""
        self._counts[values] = self._counts.get(values, 0) + by

    def metric(self) -> Metric:
        """The counts as they are now."""
        samples = (Sample(n, tuple(zip(self._labels, at, strict=True))) for at, n in sorted(self._counts.items()))
        return Metric(self._name, "counter", self._about, tuple(samples))


class Histogram:
    """How many values lie below each of ``bounds``, by the values of ``labels``."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], *labels: str) -> None:
        self._name, self._about, self._labels, self._bounds = name, about, labels, tuple(bounds)
        self._found: dict[tuple[str, ...], list[float]] = {}  # counts between bounds, those above, and the sum
        if not labels:
            self._of(())

    def observe(self, value: float, *values: str) -> None:
        """Take note of ``value``, which has these values of the labels."""
        found = self._of(values)
        found[bisect_left(self._bounds, value)] += 1
        found[-1] += value

    def metric(self) -> Metric:
        """The counts as they are now."""
        return Metric(self._name, "histogram", self._about, tuple(self._samples()))

    def _of(self, values: tuple[str, ...]) -> list[float]:
        return self._found.setdefault(values, [0.0] * (len(self._bounds) + 2))

    def _samples(self) -> Iterator[Sample]:
        for values, found in sorted(self._found.items()):
            labels = tuple(zip(self._labels, values, strict=True))
            bounds = [*map(str, self._bounds), "+Inf"]
            for bound, count in zip(bounds, accumulate(found[:-1]), strict=True):
                yield Sample(count, (*labels, ("le", bound)), "_bucket")
            yield Sample(found[-1], labels, "_sum")
            yield Sample(sum(found[:-1]), labels, "_count")
