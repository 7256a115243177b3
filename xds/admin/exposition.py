"""Prometheus' text format, version 0.0.4: metrics in, one text out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
