"""What proxies tell, as the standard metrics that it stands for: who takes it knows only these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic

from xds.model.told_metrics import Told, unfolded
from xds.server.metric_messages import Series
from xds.server.metrics_service import Counted, MetricsSink, S, T_contra
from xds.slices import Slices

_NAMES: Final = frozenset(each.value for each in Told)


class Unfolded(Generic[T_contra, S]):
    """A sink for what is told, that tells ``sink`` of the standard metrics."""

    def __init__(self, sink: MetricsSink[T_contra, S]) -> None:
        self._sink = sink

    @property
    def names(self) -> frozenset[str]:
        """The metrics that proxies tell of."""
        return _NAMES

    def under(self, proxy: T_contra, series: Series) -> S | None:
        """What ``sink`` counts it under; None when it is none of those told, or ``sink`` does not want it."""
        standard = _standard(series)
        return None if standard is None or standard.name not in self._sink.names else self._sink.under(proxy, standard)

    def counted(self, proxy: T_contra, counted: Sequence[Counted[S]], dropped: int) -> Slices[None]:
        """Tell ``sink``."""
        return self._sink.counted(proxy, counted, dropped)


def _standard(series: Series) -> Series | None:
    found = unfolded(series.name, series.labels)
    return None if found is None else Series(found[0].value, found[1], series.bounds)
