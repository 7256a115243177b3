"""An entry of a recording as JSON: the fields that access logs have, by Istio's names, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from xds.api.envoy.config.core.v3 import address_pb2, base_pb2
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon, HTTPAccessLogEntry, ResponseFlags
from xds.audit.refusal import clean
from xds.model.proxy import Proxy
from xds.server import Entry

_VERSIONS: Final = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 4: "HTTP/3"}
_INBOUND: Final = "inbound|"
_LONGEST: Final = 2048
# Envoy's short words for what the message has a field for (%RESPONSE_FLAGS%).
_FLAGS: Final[Mapping[str, str]] = {
    "failed_local_healthcheck": "LH",
    "no_healthy_upstream": "UH",
    "upstream_request_timeout": "UT",
    "local_reset": "LR",
    "upstream_remote_reset": "UR",
    "upstream_connection_failure": "UF",
    "upstream_connection_termination": "UC",
    "upstream_overflow": "UO",
    "no_route_found": "NR",
    "delay_injected": "DI",
    "fault_injected": "FI",
    "rate_limited": "RL",
    "unauthorized_details": "UAEX",
    "rate_limit_service_error": "RLSE",
    "downstream_connection_termination": "DC",
    "upstream_retry_limit_exceeded": "URX",
    "stream_idle_timeout": "SI",
    "invalid_envoy_request_headers": "IH",
    "downstream_protocol_error": "DPE",
    "upstream_max_stream_duration_reached": "UMSDR",
    "response_from_cache_filter": "RFCF",
    "no_filter_config_found": "NFCF",
    "duration_timeout": "DT",
    "upstream_protocol_error": "UPE",
    "no_cluster_found": "NC",
    "overload_manager": "OM",
    "dns_resolution_failure": "DF",
    "downstream_remote_reset": "DR",
}


def as_json(proxy: Proxy, entry: Entry) -> dict[str, Any]:
    """The entry; ``direction`` is ``server`` for what came in, ``client`` for what went out. ``duration`` is in ms."""
    common = entry.common_properties
    found: dict[str, Any] = {
        "pod": f"{proxy.namespace}/{proxy.name}",
        "direction": "server" if common.upstream_cluster.startswith(_INBOUND) else "client",
        "start_time": _start(common),
        "duration": _ms(common),
        "response_flags": ",".join(flags_of(common.response_flags)),
        "upstream_cluster": common.upstream_cluster,
        "upstream_host": _address(common.upstream_remote_address),
        "upstream_local_address": _address(common.upstream_local_address),
        "downstream_local_address": _address(common.downstream_local_address),
        "downstream_remote_address": _address(common.downstream_remote_address),
        "requested_server_name": common.tls_properties.tls_sni_hostname,
        "route_name": common.route_name,
        "upstream_transport_failure_reason": common.upstream_transport_failure_reason,
        "connection_termination_details": common.connection_termination_details,
    }
    if isinstance(entry, HTTPAccessLogEntry):
        found |= _of_request(entry)
    else:
        found |= {
            "protocol": "TCP",
            "bytes_received": entry.connection_properties.received_bytes,
            "bytes_sent": entry.connection_properties.sent_bytes,
        }
    return {name: clean(value, _LONGEST) if isinstance(value, str) else value for name, value in found.items()}


def _of_request(entry: HTTPAccessLogEntry) -> dict[str, Any]:
    request, response = entry.request, entry.response
    known = request.request_method in base_pb2.RequestMethod.values()
    return {
        "method": base_pb2.RequestMethod.Name(request.request_method) if known else "",
        "authority": request.authority,
        "path": request.original_path or request.path,
        "protocol": _VERSIONS.get(entry.protocol_version, "HTTP"),
        "response_code": response.response_code.value,
        "response_code_details": response.response_code_details,
        "bytes_received": request.request_body_bytes,
        "bytes_sent": response.response_body_bytes,
        "x_forwarded_for": request.forwarded_for,
        "user_agent": request.user_agent,
        "request_id": request.request_id,
    }


def flags_of(flags: ResponseFlags) -> list[str]:
    """Envoy's short words for response flags (``UF``), in the order of the message's fields."""
    return [_FLAGS.get(field.name, field.name) for field, _ in flags.ListFields()]


def _start(common: AccessLogCommon) -> str:
    try:
        when = datetime.fromtimestamp(common.start_time.seconds + common.start_time.nanos / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return when.isoformat(timespec="milliseconds")


def _ms(common: AccessLogCommon) -> int:
    took = common.duration if common.HasField("duration") else common.time_to_last_downstream_tx_byte
    return int(took.seconds * 1000 + took.nanos // 1_000_000)


def _address(address: address_pb2.Address) -> str:
    if address.HasField("socket_address"):
        place = address.socket_address
        host = f"[{place.address}]" if ":" in place.address else place.address
        return f"{host}:{place.port_value}"
    return str(address.pipe.path)
