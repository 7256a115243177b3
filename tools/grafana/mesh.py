"""The mesh: golden signals of all services."""

from __future__ import annotations

from typing import Final

from tools.grafana.board import Board, Variable, one, quantiles

_ALL: Final = 'reporter="$reporter"'
_BAD: Final = 'response_code=~"0|5.."'
_REFUSED: Final = 'response_code=~"4.."'
_FLAGGED: Final = 'response_flags!="-"'
_GRPC: Final = 'request_protocol="grpc"'


def _rate(metric: str, *where: str) -> str:
    return f"rate({metric}{{{','.join((_ALL, *where))}}}[$__rate_interval])"


_DURATIONS: Final = _rate("istio_request_duration_milliseconds_bucket")
_REQUESTS: Final = f"sum({_rate('istio_requests_total')})"

MESH: Final = Board(
    "mesh",
    "mesh and services",
    (
        one(
            "Requests",
            "Of the whole mesh, by protocol.",
            f"sum by (request_protocol) ({_rate('istio_requests_total')})",
            "{{request_protocol}}",
            "reqps",
        ),
        one(
            "Success",
            "The share of requests that were answered, and not by 5xx.",
            f"1 - (sum({_rate('istio_requests_total', _BAD)}) or vector(0)) / {_REQUESTS}",
            "success",
            "percentunit",
        ),
        one(
            "Requests by service",
            "",
            f"sum by (destination_service) ({_rate('istio_requests_total')})",
            "{{destination_service}}",
            "reqps",
        ),
        one(
            "Failures by service",
            "5xx, and requests without an answer (0).",
            f"sum by (destination_service, response_code) ({_rate('istio_requests_total', _BAD)})",
            "{{destination_service}} {{response_code}}",
            "reqps",
        ),
        one(
            "Refused and not found by service",
            "4xx.",
            f"sum by (destination_service, response_code) ({_rate('istio_requests_total', _REFUSED)})",
            "{{destination_service}} {{response_code}}",
            "reqps",
        ),
        one(
            "Why: Envoy's flags",
            "UH no endpoint, UF no connection, UO overload, URX retries used up, NR no route, UT time limit ...",
            f"sum by (destination_service, response_flags) ({_rate('istio_requests_total', _FLAGGED)})",
            "{{destination_service}} {{response_flags}}",
            "reqps",
        ),
        quantiles("Duration", "Of all requests.", _DURATIONS, "ms"),
        one(
            "Duration by service",
            "p99.",
            f"histogram_quantile(0.99, sum by (le, destination_service) ({_DURATIONS}))",
            "{{destination_service}}",
            "ms",
        ),
        one(
            "Requests in flight by service",
            "How many are at work at once: how long all took, by Little's law. Turned away for want of room: flag UO.",
            f"sum by (destination_service) ({_rate('istio_request_duration_milliseconds_sum')}) / 1000",
            "{{destination_service}}",
            "short",
        ),
        one(
            "Bytes of responses by service",
            "Bodies.",
            f"sum by (destination_service) ({_rate('istio_response_bytes_sum')})",
            "{{destination_service}}",
            "Bps",
        ),
        one(
            "Who calls whom",
            "The twenty busiest.",
            "topk(20, sum by (source_workload, source_workload_namespace, destination_service) "
            f"({_rate('istio_requests_total')}))",
            "{{source_workload}}.{{source_workload_namespace}} -> {{destination_service}}",
            "reqps",
        ),
        one(
            "gRPC by service",
            "By gRPC's status: 0 is OK.",
            f"sum by (destination_service, grpc_response_status) ({_rate('istio_requests_total', _GRPC)})",
            "{{destination_service}} {{grpc_response_status}}",
            "reqps",
        ),
        one(
            "Mutual TLS",
            "What servers say of how requests came.",
            "sum by (connection_security_policy) "
            '(rate(istio_requests_total{reporter="destination"}[$__rate_interval]))',
            "{{connection_security_policy}}",
            "reqps",
        ),
        one(
            "TCP connections opened by service",
            "",
            f"sum by (destination_service) ({_rate('istio_tcp_connections_opened_total')})",
            "{{destination_service}}",
            "cps",
        ),
        one(
            "TCP bytes by service",
            "From clients, when a connection is over.",
            f"sum by (destination_service) ({_rate('istio_tcp_received_bytes_total')})",
            "{{destination_service}}",
            "Bps",
        ),
    ),
    (Variable("reporter", "Told by", options=("source", "destination")),),
)
