"""Which entries of access logs tell of failed calls, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from xds.failed.reading import came_in, failed_call
from xds.model.proxy import Proxy

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
WEB = Proxy("web", namespace="shop", name="web-1", addresses=("10.0.0.1",))


def http(status: int, details: str = "", **common: Any) -> HTTPAccessLogEntry:
    request = {"request_id": "id", "authority": "api", "path": "/a?secret=1", "request_method": 1}
    response = {"response_code": {"value": status}, "response_code_details": details}
    return HTTPAccessLogEntry(common_properties=common, request=request, response=response)


def at(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


@pytest.mark.parametrize(
    "status, flags, failed",
    [
        (200, {}, False),
        (404, {}, False),
        (500, {}, True),
        (404, {"no_route_found": True}, True),
        (429, {"rate_limited": True}, True),
        (200, {"upstream_connection_failure": True}, True),
        (0, {"downstream_connection_termination": True}, True),
        (200, {"downstream_connection_termination": True}, False),
        (403, {"unauthorized_details": {"reason": 1}}, False),
    ],
)
def test_what_is_a_failure(status: int, flags: dict[str, Any], failed: bool) -> None:
    assert (failed_call(http(status, response_flags=flags), NOW) is not None) is failed


def test_what_is_kept_of_a_request() -> None:
    entry = http(
        503,
        "upstream_reset_before_response_started{overflow}",
        response_flags={"upstream_overflow": True},
        downstream_local_address=at("10.96.0.9", 80),
        upstream_remote_address=at("fd00::2", 8080),
        upstream_cluster="outbound|80||api",
        upstream_transport_failure_reason="bad\x1b[31m" + "x" * 400,
        duration={"seconds": 1, "nanos": 5_000_000},
        upstream_request_attempt_count=3,
    )
    call = failed_call(entry, NOW)
    assert call is not None
    assert call.outcome == "503 UO"
    assert (call.method, call.host, call.path, call.request_id) == ("GET", "api", "/a", "id")
    assert (call.dialled, call.upstream, call.cluster) == ("10.96.0.9:80", "[fd00::2]:8080", "outbound|80||api")
    assert (call.duration_ms, call.attempts) == (1005, 3)
    assert call.transport.startswith("bad?[31mxxx")
    assert len(call.transport) == 300
    assert call.when == NOW.isoformat(timespec="milliseconds"), "its clock is not believed"


def test_connections() -> None:
    ended = TCPAccessLogEntry(common_properties={"response_flags": {"downstream_connection_termination": True}})
    assert failed_call(ended, NOW) is None
    flags = {"upstream_connection_failure": True, "upstream_retry_limit_exceeded": True}
    failed = failed_call(TCPAccessLogEntry(common_properties={"response_flags": flags}), NOW)
    assert failed is not None
    assert failed.outcome == "closed UF,URX"


def test_which_way_it_went() -> None:
    assert came_in(WEB, http(503, upstream_cluster="inbound|8080||"))
    assert not came_in(WEB, http(503, upstream_cluster="outbound|80||api"))
    # Nobody was chosen to be called: what was dialled tells.
    assert came_in(WEB, http(429, downstream_local_address=at("10.0.0.1", 8080)))
    assert not came_in(WEB, http(503, downstream_local_address=at("10.96.0.9", 80)))
    router = Proxy("edge", kind="router", addresses=("10.0.0.1",))
    assert not came_in(router, http(503, downstream_local_address=at("10.0.0.1", 8080)))
