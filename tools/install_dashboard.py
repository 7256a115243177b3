"""The Grafana dashboard of the control plane."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 12
_HEIGHT: Final = 8

_PANELS: Final = (
    ("Proxies connected", "Over xDS, by Envoy's version.", "sum by (version) (pilot_xds)", "{{version}}", "short"),
    ("Control planes", "Pods that Prometheus reaches.", 'sum(up{pod=~"plait-.*"})', "pods", "short"),
    (
        "Types in sync",
        "Resource types of connected proxies, by how far the proxy is with them. Only SYNCED should last.",
        "sum by (state) (plait_proxy_types)",
        "{{state}}",
        "short",
    ),
    (
        "Refused by Envoy or behind",
        "Types that are not in sync, by type.",
        'sum by (type, state) (plait_proxy_types{state!="SYNCED"})',
        "{{type}} {{state}}",
        "short",
    ),
    (
        "Refused requests",
        "Requests and connections that a policy refused, would have refused (dry run), or audited.",
        "sum by (kind) (rate(plait_refusals_total[5m]))",
        "{{kind}}",
        "reqps",
    ),
    (
        "Who is refused, by which policy",
        "The ten busiest.",
        "topk(10, sum by (source, destination, policy) (rate(plait_refusals_total[5m])))",
        "{{source}} -> {{destination}}: {{policy}}",
        "reqps",
    ),
    (
        "Access-log entries dropped",
        "Beyond the limit of their stream: the refusals above are fewer than there were.",
        "sum(rate(plait_audit_entries_dropped_total[5m]))",
        "entries",
        "cps",
    ),
)


def dashboard() -> Json:
    """The dashboard, as Grafana imports it; its data source is chosen there."""
    choice = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "plait-control-plane",
        "title": "Plait: control plane",
        "tags": ["plait"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [choice]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(_PANELS)],
    }


def expressions() -> tuple[str, ...]:
    """What the panels ask Prometheus."""
    return tuple(expression for _, _, expression, _, _ in _PANELS)


def _panel(number: int, title: str, description: str, expression: str, legend: str, unit: str) -> Json:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": expression, "legendFormat": legend}],
    }
