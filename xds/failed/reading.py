"""Access-log entries of Envoy as failed calls; what proxies and their callers chose is cut and cleaned.

Source: by experiment with Envoy 1.40: where it fails before a host is chosen (UO, UH, RL), there is no cluster.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from xds.api.envoy.config.core.v3 import address_pb2
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon, HTTPAccessLogEntry
from xds.audit.reading import began, method_of
from xds.audit.refusal import clean
from xds.failed.call import FailedCall
from xds.model.proxy import SIDECAR, Proxy
from xds.proxies.recorded import flags_of
from xds.server import Entry
from xds.translators.request_logs import ERRORS_FROM, HTTP_FAILURES, TCP_FAILURES

_INBOUND: Final = "inbound|"
_HTTP: Final = frozenset(HTTP_FAILURES)
_TCP: Final = frozenset(TCP_FAILURES)
_HUNG_UP: Final = "DC"


def failed_call(entry: Entry, now: datetime) -> FailedCall | None:
    """The failed call that an entry tells of, or None; ``now`` bounds what the proxy's clock says."""
    flags = tuple(flags_of(entry.common_properties.response_flags))
    if not isinstance(entry, HTTPAccessLogEntry):
        if _TCP.isdisjoint(flags):
            return None
        ended = clean(entry.common_properties.connection_termination_details)
        return msgspec.structs.replace(_call(entry.common_properties, now), flags=flags, details=ended)
    status = entry.response.response_code.value
    if status < ERRORS_FROM and _HTTP.isdisjoint(flags) and (status or _HUNG_UP not in flags):
        return None
    request = entry.request
    return msgspec.structs.replace(
        _call(entry.common_properties, now),
        flags=flags,
        status=status,
        details=clean(entry.response.response_code_details),
        method=method_of(request.request_method),
        host=clean(request.authority),
        path=clean(request.path.partition("?")[0]),
        request_id=clean(request.request_id),
    )


def came_in(proxy: Proxy, entry: Entry) -> bool:
    """Whether it came in to the proxy's workload; of a router, all is sent on."""
    common = entry.common_properties
    if proxy.kind != SIDECAR:
        return False
    if common.upstream_cluster:
        return common.upstream_cluster.startswith(_INBOUND)
    return common.downstream_local_address.socket_address.address in proxy.addresses


def _call(common: AccessLogCommon, now: datetime) -> FailedCall:
    """What requests and connections have alike."""
    return FailedCall(
        when=began(common, now).isoformat(timespec="milliseconds"),
        transport=clean(common.upstream_transport_failure_reason),
        duration_ms=_ms(common),
        attempts=common.upstream_request_attempt_count,
        source=clean(common.downstream_direct_remote_address.socket_address.address),
        principal=_principal(common),
        dialled=_address(common.downstream_local_address),
        upstream=_address(common.upstream_remote_address),
        cluster=clean(common.upstream_cluster),
        route=clean(common.route_name),
    )


def _principal(common: AccessLogCommon) -> str:
    names = common.tls_properties.peer_certificate_properties.subject_alt_name
    return clean(next((name.uri for name in names if name.uri), ""))


def _ms(common: AccessLogCommon) -> int:
    took = common.duration
    return int(took.seconds * 1000 + took.nanos // 1_000_000)


def _address(address: address_pb2.Address) -> str:
    if not address.HasField("socket_address"):
        return clean(address.pipe.path)
    place = address.socket_address
    host = f"[{place.address}]" if ":" in place.address else place.address
    return clean(f"{host}:{place.port_value}")
