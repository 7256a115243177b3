"""When an endpoint that fails is left out for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """Ejection by failures in a row; None is Envoy's default, a count of 0 turns that reason off.

    ``max_ejection_percent`` and ``min_health_percent`` are whole per cents. ``error_statuses`` are the HTTP statuses
    that count as failures instead of 5xx.
    """

    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_local_failures: int | None = None
    split_local_failures: bool = False
    interval: timedelta | None = None
    ejection_time: timedelta | None = None
    max_ejection_percent: int = 0
    min_health_percent: int = 0
    error_statuses: tuple[int, ...] = ()

    def merge(self, parent: OutlierDetection) -> OutlierDetection:
        """This policy: a narrower outlierDetection block replaces the wider one whole, as in Istio."""
        del parent
        return self
