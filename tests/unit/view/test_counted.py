"""What Telemetry objects change about the standard metrics."""

from __future__ import annotations

from xds.model.refs import ObjectRef
from xds.model.standard_metrics import Metric, metrics_named
from xds.model.telemetry import LabelOverride, MetricOverride, Metrics, Mode, Telemetry
from xds.model.telemetry_provider import NO_TELEMETRY, FileLog, MeshTelemetry, Provider
from xds.view.counted import counted
from xds.view.specs.observed import Counted

REF = ObjectRef("telemetry.istio.io", "Telemetry", "shop", "t")


def of(*overrides: MetricOverride, providers: tuple[str, ...] = ()) -> Telemetry:
    return Telemetry(REF, metrics=(Metrics(providers, overrides),))


def test_nothing_is_different_where_nobody_says_so() -> None:
    assert counted(NO_TELEMETRY, (), outbound=True) == ()
    assert counted(NO_TELEMETRY, (of(),), outbound=True) == ()


def test_by_metric_and_direction() -> None:
    off = of(MetricOverride("REQUEST_SIZE", Mode.CLIENT, disabled=True))
    assert counted(NO_TELEMETRY, (off,), outbound=True) == (Counted("REQUEST_SIZE", disabled=True),)
    assert counted(NO_TELEMETRY, (off,), outbound=False) == ()


def test_the_narrower_scope_goes_over_the_wider() -> None:
    wide = of(MetricOverride(disabled=True, labels=(LabelOverride("a", "'x'"), LabelOverride("b", None))))
    narrow = of(MetricOverride("REQUEST_COUNT", disabled=False, labels=(LabelOverride("a", None),)))
    found = {each.metric: each for each in counted(NO_TELEMETRY, (wide, narrow), outbound=True)}
    assert found.keys() == {each.name for each in Metric}
    assert found["REQUEST_COUNT"] == Counted("REQUEST_COUNT", False, (("a", None), ("b", None)))
    assert found["TCP_SENT_BYTES"] == Counted("TCP_SENT_BYTES", True, (("a", "'x'"), ("b", None)))


def test_only_what_is_said_of_prometheus_counts() -> None:
    own = MeshTelemetry(providers=(Provider("files", FileLog()),))
    override = MetricOverride(disabled=True)
    assert counted(own, (of(override, providers=("files",)),), outbound=True) == ()
    assert len(counted(own, (of(override, providers=("files", "prometheus")),), outbound=True)) == len(Metric)


def test_words_for_metrics() -> None:
    assert metrics_named("") == tuple(Metric)
    for word in ("REQUEST_COUNT", "istio_requests_total", "requests_total"):
        assert metrics_named(word) == (Metric.REQUEST_COUNT,)
    assert metrics_named("GRPC_REQUEST_MESSAGES") == ()
