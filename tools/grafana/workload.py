"""A workload: golden signals of what it is asked, and of what it asks others."""

from __future__ import annotations

from typing import Final

from tools.grafana.board import Board, Variable, one, quantiles

_IN: Final = 'reporter="destination",destination_workload_namespace="$namespace",destination_workload="$workload"'
_OUT: Final = 'reporter="source",source_workload_namespace="$namespace",source_workload="$workload"'
_BAD: Final = 'response_code=~"0|[45].."'


def _rate(metric: str, *where: str) -> str:
    return f"rate({metric}{{{','.join(where)}}}[$__rate_interval])"


WORKLOAD: Final = Board(
    "workload",
    "workload",
    (
        one(
            "Asked: requests",
            "By response code.",
            f"sum by (response_code) ({_rate('istio_requests_total', _IN)})",
            "{{response_code}}",
            "reqps",
        ),
        quantiles(
            "Asked: duration",
            "As its own sidecar has it.",
            _rate("istio_request_duration_milliseconds_bucket", _IN),
            "ms",
        ),
        one(
            "Asked: in flight",
            "How many requests are at work at once: how long all took, by Little's law.",
            f"sum ({_rate('istio_request_duration_milliseconds_sum', _IN)}) / 1000",
            "at work at once",
            "short",
        ),
        one(
            "Asked: by whom",
            "As their certificates prove it.",
            f"sum by (source_principal) ({_rate('istio_requests_total', _IN)})",
            "{{source_principal}}",
            "reqps",
        ),
        one(
            "Asked: failures",
            "4xx, 5xx, and requests without an answer (0), by Envoy's flags.",
            f"sum by (response_code, response_flags) ({_rate('istio_requests_total', _IN, _BAD)})",
            "{{response_code}} {{response_flags}}",
            "reqps",
        ),
        quantiles("Asked: bytes of a request", "Bodies.", _rate("istio_request_bytes_bucket", _IN), "bytes"),
        quantiles("Asked: bytes of a response", "Bodies.", _rate("istio_response_bytes_bucket", _IN), "bytes"),
        one(
            "Asks: requests",
            "By service.",
            f"sum by (destination_service) ({_rate('istio_requests_total', _OUT)})",
            "{{destination_service}}",
            "reqps",
        ),
        one(
            "Asks: duration",
            "p99 by service, as its own sidecar has it.",
            "histogram_quantile(0.99, sum by (le, destination_service) "
            f"({_rate('istio_request_duration_milliseconds_bucket', _OUT)}))",
            "{{destination_service}}",
            "ms",
        ),
        one(
            "Asks: failures",
            "4xx, 5xx, and requests without an answer (0), by service and Envoy's flags.",
            "sum by (destination_service, response_code, response_flags) "
            f"({_rate('istio_requests_total', _OUT, _BAD)})",
            "{{destination_service}} {{response_code}} {{response_flags}}",
            "reqps",
        ),
        one(
            "Asks: which version answered",
            "",
            f"sum by (destination_workload, destination_version) ({_rate('istio_requests_total', _OUT)})",
            "{{destination_workload}} {{destination_version}}",
            "reqps",
        ),
        one(
            "TCP: connections taken",
            "By who made them.",
            f"sum by (source_principal) ({_rate('istio_tcp_connections_opened_total', _IN)})",
            "{{source_principal}}",
            "cps",
        ),
        one(
            "TCP: bytes from and to others",
            "To services that it connects with, when a connection is over.",
            f"sum by (destination_service) ({_rate('istio_tcp_sent_bytes_total', _OUT)})",
            "{{destination_service}}",
            "Bps",
        ),
    ),
    (
        Variable("namespace", "Namespace", "istio_requests_total", "destination_workload_namespace"),
        Variable(
            "workload",
            "Workload",
            'istio_requests_total{destination_workload_namespace="$namespace"}',
            "destination_workload",
        ),
    ),
)
