"""Istio's standard metrics: their names, as Prometheus has them, and the labels of a proxy's own workload."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from xds.model.labels import first_of

SCOPE: Final = "istio"
"""The name of the loggers that count them, and of the scope whose bounds all of one Envoy share."""

METRICS_LABELS: Final = "METRICS_LABELS"
"""The key of the node metadata that holds ``node_labels``."""

NODE_LABELS: Final = (
    "workload",
    "workload_namespace",
    "app",
    "version",
    "canonical_service",
    "canonical_revision",
    "cluster",
)
"""What is told of a workload on either side: labels without their ``source_`` or ``destination_``."""

UNKNOWN: Final = "unknown"
_LATEST: Final = "latest"
_SERVICE: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
_REVISION: Final = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")


class Metric(Enum):
    """The metrics, under the names that Telemetry has for them; the values are Envoy's and Prometheus' names."""

    REQUEST_COUNT = "istio_requests_total"
    REQUEST_DURATION = "istio_request_duration_milliseconds"
    REQUEST_SIZE = "istio_request_bytes"
    RESPONSE_SIZE = "istio_response_bytes"
    TCP_OPENED_CONNECTIONS = "istio_tcp_connections_opened_total"
    TCP_CLOSED_CONNECTIONS = "istio_tcp_connections_closed_total"
    TCP_SENT_BYTES = "istio_tcp_sent_bytes_total"
    TCP_RECEIVED_BYTES = "istio_tcp_received_bytes_total"


_NAMED: Final = {
    **{each.name: each for each in Metric},
    **{each.value: each for each in Metric},
    **{each.value.removeprefix("istio_"): each for each in Metric},
}


def variable(label: str) -> str:
    """The variable of the proxy's environment that has that label of its own, of ``NODE_LABELS``: what loggers read it
    from, as anything else takes ten times as long.
    """
    return f"METRICS_{label.upper()}"


def metrics_named(word: str) -> tuple[Metric, ...]:
    """The metrics that a word of a Telemetry means: all for ``""``, none where nobody counts it."""
    if not word:
        return tuple(Metric)
    return (_NAMED[word],) if word in _NAMED else ()


def canonical_service(labels: Mapping[str, str], workload: str) -> str:
    """What a workload with these labels is called as a service, whatever services select it."""
    return first_of(labels, _SERVICE) or workload or UNKNOWN


def canonical_revision(labels: Mapping[str, str]) -> str:
    """The revision of that service which a workload with these labels is; ``latest`` where nothing says so."""
    return first_of(labels, _REVISION) or _LATEST


def node_labels(labels: Mapping[str, str], workload: str, namespace: str, cluster: str) -> dict[str, str]:
    """The values of ``NODE_LABELS`` for a workload with these Kubernetes labels."""
    return {
        "workload": workload or UNKNOWN,
        "workload_namespace": namespace or UNKNOWN,
        "app": labels.get("app") or UNKNOWN,
        "version": labels.get("version") or UNKNOWN,
        "canonical_service": canonical_service(labels, workload),
        "canonical_revision": canonical_revision(labels),
        "cluster": cluster or UNKNOWN,
    }
