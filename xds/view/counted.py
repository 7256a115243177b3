"""What is different with the standard metrics where Telemetry objects say so.

Source: istio-semantics 1.11: overrides of all objects that hold, the widest first, each over what was said before.
"""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.standard_metrics import Metric, metrics_named
from xds.model.telemetry import MetricOverride, Telemetry
from xds.model.telemetry_provider import MeshTelemetry, Prometheus
from xds.view.specs.observed import Counted


def counted(own: MeshTelemetry, found: tuple[Telemetry, ...], *, outbound: bool) -> tuple[Counted, ...]:
    """What is different for traffic of a direction; metrics that are as usual are left out."""
    disabled: dict[Metric, bool] = {}
    labels: dict[Metric, dict[str, str | None]] = {}
    for override in _overrides(own, found):
        if not override.mode.covers(outbound=outbound):
            continue
        for metric in metrics_named(override.metric):
            if override.disabled is not None:
                disabled[metric] = override.disabled
            labels.setdefault(metric, {}).update({each.name: each.value for each in override.labels})
    every = (
        Counted(each.name, disabled.get(each, False), tuple(sorted(labels.get(each, {}).items()))) for each in Metric
    )
    return tuple(each for each in every if each.disabled or each.labels)


def _overrides(own: MeshTelemetry, found: tuple[Telemetry, ...]) -> Iterator[MetricOverride]:
    for telemetry in found:
        for entry in telemetry.metrics:
            providers = [own.provider(name) for name in entry.providers]
            # What is said of other providers than Prometheus is not about these metrics.
            if not providers or any(each is None or isinstance(each.speaks, Prometheus) for each in providers):
                yield from entry.overrides
