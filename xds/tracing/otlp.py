"""Traces leave by OTLP over gRPC: OpenTelemetry's own SDK and exporter, imported only where somebody wants them.

Spans wait in the SDK's queue, which is bounded, and are sent from a thread of its own: the event loop never waits.
What the standard variables say of headers, certificates, sampling and resources (``OTEL_EXPORTER_OTLP_HEADERS``,
``OTEL_EXPORTER_OTLP_CERTIFICATE``, ``OTEL_TRACES_SAMPLER``, ``OTEL_RESOURCE_ATTRIBUTES``, ...) holds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context

from xds.events import Event
from xds.tracing.span import Span

log = structlog.get_logger()

_QUEUE: Final = 4096  # spans: some 500 changes
_NAME: Final = "plait"
_CLOSE_S: Final = 3.0


class Otlp:
    """Sends spans to who speaks OTLP at ``endpoint``, ``http://host:4317``, or ``https://`` for TLS.

    ``into`` takes them instead, where it is given. ``close`` sends what is left.
    """

    def __init__(self, endpoint: str, instance: str, into: SpanExporter | None = None) -> None:
        own = Resource({SERVICE_NAME: _NAME, SERVICE_VERSION: version("plait"), "service.instance.id": instance})
        resource = own.merge(Resource.create())
        if resource.attributes.get(SERVICE_NAME, "").startswith("unknown_service"):  # type: ignore[union-attr]
            resource = resource.merge(own)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = _Told(into or OTLPSpanExporter(endpoint), endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
        self._tracer = self._provider.get_tracer(_NAME)

    def export(self, root: Span) -> None:
        """Have a tree of spans sent; dropped where too many wait already."""
        # What the difference of the clocks is now, it was: both go at one pace for the minutes that a change takes.
        _emit(self._tracer, root, Context(), time.time() - time.monotonic())

    def close(self) -> None:
        """Send what is left, for a moment, and stop. Blocks."""
        # The SDK tries for half a minute where nobody listens, and a thread of an executor is waited for at the end.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def _emit(tracer: Tracer, span: Span, under: Context, offset: float) -> None:
    started = tracer.start_span(
        span.name, under, attributes=span.attributes, start_time=_nanoseconds(span.began, offset)
    )
    for each in span.happened:
        started.add_event(each.name, each.attributes, _nanoseconds(each.at, offset))
    if span.error:
        started.set_status(Status(StatusCode.ERROR, span.error))
    below = set_span_in_context(started, under)
    for child in span.below:
        _emit(tracer, child, below, offset)
    started.end(_nanoseconds(span.ended, offset))


def _nanoseconds(clock: float, offset: float) -> int:
    return int((clock + offset) * 1e9)


class _Told(SpanExporter):
    """Exports as ``into`` does; what goes wrong is an event of ours, once, and not a line for each attempt."""

    def __init__(self, into: SpanExporter, endpoint: str) -> None:
        self._into = into
        self._endpoint = endpoint
        self._failing = False
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; called in a thread."""
        result = self._into.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning(Event.TRACES_NOT_TAKEN, endpoint=self._endpoint)
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """Stop."""
        self._into.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is left."""
        return self._into.force_flush(timeout_millis)
