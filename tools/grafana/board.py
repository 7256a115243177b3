"""A dashboard as a value, and as Grafana imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 12
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of Prometheus, and how its series are called: ``{{label}}`` is the label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; ``unit`` is Grafana's word."""

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"


@dataclass(frozen=True, slots=True)
class Variable:
    """What can be chosen above the panels, ``$name`` in queries: the values of a label of a metric, or ``options``."""

    name: str
    label: str
    metric: str = ""
    of: str = ""
    options: tuple[str, ...] = ()

    def plain(self) -> Json:
        """As Grafana has it."""
        shown = {"name": self.name, "label": self.label, "hide": 0}
        if self.options:
            chosen = {"text": self.options[0], "value": self.options[0], "selected": True}
            every = [{"text": each, "value": each, "selected": each == self.options[0]} for each in self.options]
            return {**shown, "type": "custom", "query": ",".join(self.options), "current": chosen, "options": every}
        query = f"label_values({self.metric}, {self.of})"
        asked = {"query": query, "refId": self.name}
        return {**shown, "type": "query", "datasource": _SOURCE, "query": asked, "refresh": 2, "sort": 1}


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``name`` is its file's."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()

    def plain(self) -> Json:
        """As Grafana imports it; its data source is chosen there."""
        choice = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
        return {
            "uid": f"plait-{self.name}",
            "title": f"Plait: {self.title}",
            "tags": ["plait"],
            "schemaVersion": 39,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": [choice, *(each.plain() for each in self.variables)]},
            "panels": [_panel(number, panel) for number, panel in enumerate(self.panels)],
        }


def one(title: str, about: str, expression: str, legend: str, unit: str = "short") -> Panel:
    """A panel of one query."""
    return Panel(title, about, (Query(expression, legend),), unit)


def quantiles(title: str, about: str, rate: str, unit: str = "s", by: str = "") -> Panel:
    """A panel of p50, p90 and p99 of a histogram, of whose buckets ``rate`` is the rate; by a label, where given."""
    labels = f"le, {by}" if by else "le"
    named = f" {{{{{by}}}}}" if by else ""
    found = [
        Query(f"histogram_quantile({share / 100:g}, sum by ({labels}) ({rate}))", f"p{share}{named}")
        for share in (50, 90, 99)
    ]
    return Panel(title, about, tuple(found), unit)


def _panel(number: int, panel: Panel) -> Json:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": each.expression,
                "legendFormat": each.legend,
            }
            for place, each in enumerate(panel.queries)
        ],
    }
