"""The loggers of inbound chains: bounded, filtered in Envoy, the same whatever the policies."""

from __future__ import annotations

from typing import Any

import pytest

from xds.model.seen import MAX_CALLERS, SEEN_PLAINTEXT, SEEN_PROVEN
from xds.translators.access_logs import http_loggers, listener_loggers, tcp_loggers, tcp_options
from xds.view.names import CONTROL_PLANE
from xds.view.specs.listeners import Guard
from xds.wire.codec import to_plain

PROVEN, PLAIN = Guard(plaintext=False), Guard(plaintext=True)
ALL = (http_loggers(PROVEN), http_loggers(PLAIN), tcp_loggers(PROVEN), tcp_loggers(PLAIN), listener_loggers())


def plain(loggers: Any) -> list[dict[str, Any]]:
    return [to_plain(each) for each in loggers]


@pytest.mark.parametrize("loggers", ALL)
def test_the_first_tells_refusals_to_the_control_plane_and_nothing_unfiltered(loggers: Any) -> None:
    first, *rest = plain(loggers)
    common = first["typed_config"]["common_config"]
    assert common["grpc_service"] == {"envoy_grpc": {"cluster_name": CONTROL_PLANE}}
    assert common["buffer_flush_interval"] == "1s"
    assert "filter" in first
    assert not any("common_config" in each["typed_config"] for each in rest)


@pytest.mark.parametrize(
    "loggers, scope, tags",
    [
        (http_loggers(PROVEN), SEEN_PROVEN, ["peer", "port", "method"]),
        (http_loggers(PLAIN), SEEN_PLAINTEXT, ["source", "port"]),
        (tcp_loggers(PROVEN), SEEN_PROVEN, ["peer", "port"]),
        (tcp_loggers(PLAIN), SEEN_PLAINTEXT, ["source", "port"]),
    ],
)
def test_the_others_count_within_bounds(loggers: Any, scope: str, tags: list[str]) -> None:
    for each in plain(loggers)[1:]:
        config = each["typed_config"]
        assert config["stats_scope"] == {"prefix": scope, "sharing_name": scope, "max_counters": MAX_CALLERS}
        total, counter = config["counters"]
        assert total["stat"]["name"] == f"all_{counter['stat']['name']}"
        assert [tag["name"] for tag in counter["stat"]["tags"]] == tags


def test_addresses_are_of_the_connection_and_not_of_a_header() -> None:
    for loggers in (http_loggers(PLAIN), tcp_loggers(PLAIN)):
        text = str(plain(loggers))
        assert "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%" in text
        assert "%DOWNSTREAM_REMOTE_ADDRESS" not in text


def test_plaintext_connections_count_when_they_begin() -> None:
    assert to_plain(tcp_options(PLAIN)) == {"flush_access_log_on_connected": True}
    assert to_plain(tcp_options(PROVEN)) == {
        "access_log_flush_interval": "60s",
        "flush_access_log_on_connected": True,
    }
    assert to_plain(tcp_options(None)) == {"flush_access_log_on_connected": True}
