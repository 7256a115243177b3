"""Reading a metrics message costs what its bounds allow, whoever sends it."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.unit.telemetry.told import message
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.metric_messages import told


@pytest.mark.parametrize("kind", ["sum", "gauge", "histogram"])
def test_empty_series_beyond_the_bound_are_not_even_looked_at(kind: str) -> None:
    sent = message([], "web")
    metric = sent.resource_metrics[0].scope_metrics[0].metrics.add(name="_requests")
    points = getattr(metric, kind).data_points
    for _ in range(100_000):
        points.add()
    found = told(sent.SerializeToString())
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="series"):
            list(found.values(frozenset({"_requests"})))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # An object for each would be 5 MB, and seconds of the event loop where a message is full of them.
    assert most < 100_000


def test_what_a_stranger_has_counted_is_not_read_before_it_is_known_who_that_is() -> None:
    sent = message([], "web").resource_metrics[0]
    sent.ClearField("scope_metrics")
    part = sent.SerializeToString() + b"\x12\x02\xff\xff"  # a scope that is none
    assert len(part) < 128
    found = told(b"\x0a" + bytes([len(part)]) + part)
    assert found.attributes()["id"] == "web"
    with pytest.raises(ProtocolError):
        list(found.values(frozenset({"_requests"})))
