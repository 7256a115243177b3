"""What the webhooks are asked and answer, for Prometheus: istiod's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.admin.exposition import Counter, Histogram, Metric
from xds.decoders.shape.kind_lookup import struct_for
from xds.webhooks.review import AdmissionRequest, Answer
from xds.webhooks.server import INJECT, Observer

_SECONDS: Final = (0.01, 0.1, 1, 3, 5, 10, 30)


class WebhookMetrics(Observer):
    """Counts the answers of webhooks. All methods are called in the event loop."""

    def __init__(self) -> None:
        self._asked = Counter("sidecar_injection_requests_total", "Pods that the injection webhook was asked about.")
        self._injected = Counter("sidecar_injection_success_total", "Pods that were given a sidecar.")
        about = "Pods that were refused: they ask for their sidecar wrongly, or Plait has a bug."
        self._failed = Counter("sidecar_injection_failure_total", about)
        self._skipped = Counter("sidecar_injection_skip_total", "Pods that were left as they are.")
        about = "How long a pod waited for the injection webhook, in seconds."
        self._took = Histogram("sidecar_injection_time_seconds", about, _SECONDS)
        of = ("group", "version", "resource")
        self._passed = Counter("galley_validation_passed", "Objects that the validation webhook let pass.", *of)
        self._refused = Counter("galley_validation_failed", "Objects that it refused.", *of, "reason")
        self._errors = Counter("galley_validation_http_error", "Calls of it that no review answers.", "status")

    def answered(self, webhook: str, request: AdmissionRequest, answer: Answer, took_s: float) -> None:
        """A review was answered."""
        if webhook != INJECT:
            of = _resource(request)
            if answer.allowed:
                self._passed.add(*of)
            else:
                self._refused.add(*of, "invalid_resource")
            return
        self._asked.add()
        self._took.observe(took_s)
        found = self._skipped if answer.allowed else self._failed
        (self._injected if answer.patch else found).add()

    def refused(self, webhook: str, status: int) -> None:
        """A call was answered with a status of HTTP and no review."""
        if webhook == INJECT:
            self._asked.add()
            self._failed.add()
        else:
            self._errors.add(str(status))

    def metrics(self) -> Iterable[Metric]:
        """All counts."""
        counts = (self._asked, self._injected, self._failed, self._skipped, self._passed, self._refused, self._errors)
        yield from (each.metric() for each in counts)
        yield self._took.metric()


def _resource(request: AdmissionRequest) -> tuple[str, str, str]:
    """Group, version and plural of a kind that is read; of all others together, as any pod can call the webhook."""
    kind = request.kind
    struct = struct_for(f"{kind.group}/{kind.version}" if kind.group else kind.version, kind.kind)
    return ("other", "", "") if struct is None else (kind.group, kind.version, struct.KIND.plural)
