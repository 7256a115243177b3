"""Traces as OpenTelemetry's exporters get them, and what becomes of them where nobody takes them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from xds.events import Event
from xds.setting_values import SettingError
from xds.settings import Settings
from xds.tracing.otlp import Otlp
from xds.tracing.span import Happened, Span

ENDPOINT = "http://127.0.0.1:4317"


def test_a_tree_of_spans_is_one_trace() -> None:
    taken = InMemorySpanExporter()
    otlp, now = Otlp(ENDPOINT, "pod-1", taken), time.monotonic()
    push = Span("push", now + 1, now + 2, {}, (Happened("last ack", now + 2, {"proxy": "p"}),), error="no good")
    otlp.export(Span("change", now, now + 2, {"plait.generation": 3, "plait.objects": ["a", "b"]}, below=(push,)))
    otlp.close()
    below, root = taken.get_finished_spans()
    assert (root.name, below.name) == ("change", "push")
    assert root.parent is None
    assert below.parent is not None
    assert (below.parent.span_id, below.context.trace_id) == (root.context.span_id, root.context.trace_id)
    assert root.attributes == {"plait.generation": 3, "plait.objects": ("a", "b")}
    assert root.end_time - root.start_time == pytest.approx(2e9, abs=1e6)  # type: ignore[operator]
    assert abs((root.start_time or 0) / 1e9 - time.time()) < 60
    assert (root.status.status_code, below.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert below.status.description == "no good"
    assert [(each.name, each.timestamp) for each in below.events] == [("last ack", below.end_time)]
    resource = root.resource.attributes
    assert (resource["service.name"], resource["service.instance.id"]) == ("plait", "pod-1")


def test_the_service_is_called_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mesh")
    taken = InMemorySpanExporter()
    otlp = Otlp(ENDPOINT, "pod-1", taken)
    otlp.export(Span("change", 1.0, 2.0))
    otlp.close()
    assert taken.get_finished_spans()[0].resource.attributes["service.name"] == "mesh"


class Away(SpanExporter):
    """Somebody who takes nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_a_collector_that_is_away_is_told_of_once() -> None:
    otlp = Otlp(ENDPOINT, "pod-1", Away())
    with capture_logs() as logs:
        for _ in range(2000):
            otlp.export(Span("change", 1.0, 2.0))
        otlp.close()
    assert [each["event"] for each in logs] == [Event.TRACES_NOT_TAKEN]


@pytest.mark.parametrize(
    "endpoint", ["collector:4317", "ftp://collector", "http://", "http://collector:nine", "http://me:secret@collector"]
)
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(SettingError, match="otlp must be http"):
        Settings(otlp=endpoint)


def test_the_standard_variables_name_the_endpoint_too() -> None:
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317"}
    assert Settings.resolve({}, {}).otlp == ""
    assert Settings.resolve(standard, {}).otlp == "http://a:4317"
    assert (
        Settings.resolve({**standard, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:4317"}, {}).otlp
        == "http://b:4317"
    )
    assert Settings.resolve({**standard, "PLAIT_OTLP": "http://c:4317"}, {}).otlp == "http://c:4317"
    assert Settings.resolve({**standard, "PLAIT_OTLP": ""}, {}).otlp == "http://a:4317"
    assert Settings.resolve(standard, {"otlp": "http://d:4317"}).otlp == "http://d:4317"
    assert Settings.resolve(standard, {"otlp": ""}).otlp == ""
