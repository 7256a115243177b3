"""What proxies tell their control plane of calls: few numbers, each under one short text instead of twenty labels.

The text has the fields of ``FIELDS``, with ``SEPARATOR`` between; those that a metric does not need are empty. What the
other end has in its hand comes last, so that it can move nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from xds.model.standard_metrics import Metric

PREFIX: Final = "_"
"""How names of these metrics begin, and none of Envoy's does."""

SEPARATOR: Final = "|"
LABEL: Final = "k"
"""The label that has the text."""

FIELDS: Final = ("side", "host", "name", "namespace", "code", "flags", "status", "workload", "version", "principal")
"""Who reports; the service's host, name and namespace; how the call ended: the code, Envoy's flags, the status of gRPC;
the workload that answered and its version; who is at the other end, by its certificate."""

NODE_ID: Final = "id"
"""The attribute of the resource that is the node's id; others are of its metadata, by their keys there."""

WORKLOAD: Final = "workload"
VERSION: Final = "version"
"""The attributes of the resource that say what the proxy's own workload is."""


class Told(Enum):
    """The metrics; ``RECEIVED`` and ``SENT`` are bytes, from and to the client."""

    REQUESTS = "_requests"
    DURATION = "_duration"
    RECEIVED = "_received"
    SENT = "_sent"
    OPENED = "_opened"
    CLOSED = "_closed"


class Side(Enum):
    """Who reports: the source, or the server, whose caller has proven who it is or has not."""

    SOURCE = "source"
    PROVEN = "mutual"
    PLAIN = "none"

    def of(self, protocol: str) -> str:
        """How the text begins that has it tell of calls in that protocol: ``http``, ``grpc`` or ``tcp``."""
        return f"{self.value[0]}{protocol[0]}"


_PROTOCOLS: Final = ("http", "grpc", "tcp")
_SIDES: Final = {side.of(protocol): (side, protocol) for side in Side for protocol in _PROTOCOLS}
_OF_REQUESTS: Final = {
    Told.REQUESTS.value: Metric.REQUEST_COUNT,
    Told.DURATION.value: Metric.REQUEST_DURATION,
    Told.RECEIVED.value: Metric.REQUEST_SIZE,
    Told.SENT.value: Metric.RESPONSE_SIZE,
}
_OF_CONNECTIONS: Final = {
    Told.OPENED.value: Metric.TCP_OPENED_CONNECTIONS,
    Told.CLOSED.value: Metric.TCP_CLOSED_CONNECTIONS,
    Told.RECEIVED.value: Metric.TCP_RECEIVED_BYTES,
    Told.SENT.value: Metric.TCP_SENT_BYTES,
}


def text(fields: Mapping[str, str]) -> str:
    """The text that has these fields; those that are not given are empty."""
    return SEPARATOR.join(fields.get(name, "") for name in FIELDS)


def unfolded(name: str, labels: Mapping[str, str]) -> tuple[Metric, dict[str, str]] | None:
    """The standard metric that it is, and the labels that Prometheus would have it under; None when it is none.

    ``labels`` are ``LABEL`` and what the proxy's resource says.
    """
    parts = labels.get(LABEL, "").split(SEPARATOR, len(FIELDS) - 1)
    if len(parts) < len(FIELDS) or parts[0] not in _SIDES:
        return None
    side, protocol = _SIDES[parts[0]]
    metric = (_OF_CONNECTIONS if protocol == "tcp" else _OF_REQUESTS).get(name)
    if metric is None:
        return None
    told = dict(zip(FIELDS, parts, strict=True))
    made = {
        "request_protocol": protocol,
        "destination_service": told["host"],
        "destination_service_name": told["name"],
        "destination_service_namespace": told["namespace"],
        "response_code": told["code"],
        "response_flags": told["flags"],
        "grpc_response_status": told["status"],
    }
    return metric, made | (_at_source(told, labels) if side is Side.SOURCE else _at_server(told, labels, side))


def _at_source(told: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    return {
        "reporter": "source",
        "source_workload": own.get(WORKLOAD, ""),
        "source_version": own.get(VERSION, ""),
        "destination_workload": told["workload"],
        "destination_workload_namespace": told["namespace"] if told["workload"] else "",
        "destination_version": told["version"],
        "destination_principal": told["principal"],
        "connection_security_policy": "unknown",
    }


def _at_server(told: Mapping[str, str], own: Mapping[str, str], side: Side) -> dict[str, str]:
    return {
        "reporter": "destination",
        "source_principal": told["principal"],
        "destination_workload": own.get(WORKLOAD, ""),
        "destination_version": own.get(VERSION, ""),
        "connection_security_policy": "mutual_tls" if side is Side.PROVEN else "none",
    }
