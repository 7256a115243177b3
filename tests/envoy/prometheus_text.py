"""Prometheus' text format, as Envoy's admin page answers with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xds.testing.pods import Pods

_SAMPLE: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
# As port 15090, but with idle listeners: not what the control plane is told.
_PAGE: Final = "/stats/prometheus?filter=%5E%5B%5E_%5D"
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a series and its value."""

    name: str
    labels: Mapping[str, str]
    value: float

    def has(self, **labels: str) -> bool:
        """Whether it has these labels, among others."""
        return labels.items() <= self.labels.items()


async def samples(mesh: Pods, pod: str) -> list[Sample]:
    """What the pod's Envoy tells Prometheus."""
    _, body = await mesh.local.admin_get(mesh.pod(pod), _PAGE)
    lines = (line for line in body.decode().splitlines() if line and not line.startswith("#"))
    found = [match for line in lines if (match := _SAMPLE.fullmatch(line))]
    return [Sample(each[1], dict(_LABEL.findall(each[2] or "")), float(each[3])) for each in found]


def total(these: Iterable[Sample], name: str, **labels: str) -> float:
    """The sum over the series of that name that have these labels."""
    return sum(each.value for each in these if each.name == name and each.has(**labels))
