"""Listeners, chains and what stands in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from xds.model.policy import Policies
from xds.translators.connection_pools import ConnectionLifetime
from xds.translators.lds import listener
from xds.translators.load_balancing import HashKey
from xds.translators.tunneling import Tunnel
from xds.view.specs.listeners import Chain, ChainMatch, HttpChain, ListenerSpec, Sniff, TcpChain
from xds.view.specs.routes import WeightedCluster
from xds.wire.codec import to_plain

Plain = dict[str, Any]
TCP = Chain("tcp", ChainMatch(), TcpChain("c", (WeightedCluster("c"),)))
TCP_PROXY = {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "c",
        "cluster": "c",
    },
}


def plain(spec: ListenerSpec) -> Plain:
    """The listener without its access loggers."""
    made: Plain = silent(to_plain(listener(spec)))
    return made


def silent(value: Any) -> Any:
    if isinstance(value, list):
        return [silent(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: silent(each) for key, each in value.items() if key not in ("access_log", "access_log_options")}


def content(chain: HttpChain | TcpChain) -> Plain:
    """The configuration of the one filter of a chain."""
    found = plain(ListenerSpec("l", "10.0.0.1", 80, (Chain("c", ChainMatch(), chain),)))
    typed: Plain = found["filter_chains"][0]["filters"][0]["typed_config"]
    return typed


def test_one_address_handed_over() -> None:
    assert plain(ListenerSpec("10.0.0.1_80", "10.0.0.1", 80, (TCP,))) == {
        "name": "10.0.0.1_80",
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}},
        "traffic_direction": "OUTBOUND",
        "bind_to_port": False,
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        "max_connections_to_accept_per_socket_event": 1,
        "filter_chains": [{"name": "tcp", "filters": [TCP_PROXY]}],
    }


@pytest.mark.parametrize("outbound", [True, False])
@pytest.mark.parametrize("carried", [TCP.content, HttpChain("h", "80")])
def test_every_chain_is_counted(carried: HttpChain | TcpChain, outbound: bool) -> None:
    spec = ListenerSpec("l", "10.0.0.1", 80, (Chain("c", ChainMatch(), carried),), outbound=outbound)
    config = to_plain(listener(spec))["filter_chains"][0]["filters"][0]["typed_config"]
    counters = [each["typed_config"] for each in config["access_log"] if each["name"] == "istio"]
    reporters = {counter["stat"]["tags"][0]["value_format"] for each in counters for counter in each["counters"]}
    assert reporters == {"source" if outbound else "destination"}


def test_taking_outbound_connections() -> None:
    found = plain(
        ListenerSpec(
            "virtualOutbound",
            "0.0.0.0",
            15001,
            (),
            TCP,
            bind=True,
            original_destination=True,
            additional_addresses=("::",),
        )
    )
    assert found["use_original_dst"] is True
    assert "bind_to_port" not in found
    assert "listener_filters" not in found
    assert found["additional_addresses"] == [{"address": {"socket_address": {"address": "::", "port_value": 15001}}}]
    assert found["default_filter_chain"] == {"name": "tcp", "filters": [TCP_PROXY]}


def test_taking_inbound_connections() -> None:
    spec = ListenerSpec(
        "virtualInbound",
        "0.0.0.0",
        15006,
        (),
        TCP,
        outbound=False,
        bind=True,
        original_destination=True,
        sniff=Sniff.BOTH,
        sniff_timeout=timedelta(seconds=5),
        sniffed_ports=(3307, 3306, 25),
        http_sniffed_ports=(3307, 3306, 25),
    )
    found = plain(spec)
    assert (found["traffic_direction"], found["listener_filters_timeout"]) == ("INBOUND", "5s")
    assert "use_original_dst" not in found
    names = [each["name"].rpartition(".")[2] for each in found["listener_filters"]]
    assert names == ["original_dst", "tls_inspector", "http_inspector"]
    ranges = [
        {"destination_port_range": {"start": 25, "end": 26}},
        {"destination_port_range": {"start": 3306, "end": 3308}},
    ]
    disabled = [each.get("filter_disabled") for each in found["listener_filters"]]
    elsewhere = {"not_match": {"or_match": {"rules": ranges}}}
    assert disabled == [None, elsewhere, elsewhere]


@pytest.mark.parametrize(
    ("sniff", "names"),
    [(Sniff.NOTHING, []), (Sniff.TLS, ["tls_inspector"]), (Sniff.HTTP, ["http_inspector"])],
)
def test_sniffing(sniff: Sniff, names: list[str]) -> None:
    spec = ListenerSpec("l", "10.0.0.1", 80, (TCP,), sniff=sniff, sniffed_ports=(25,), http_sniffed_ports=(25,))
    filters = plain(spec).get("listener_filters", [])
    assert [each["name"].rpartition(".")[2] for each in filters] == names
    elsewhere = {"not_match": {"destination_port_range": {"start": 25, "end": 26}}}
    assert all(each["filter_disabled"] == elsewhere for each in filters)


def test_all_of_a_match() -> None:
    match = ChainMatch(443, ("a.example", "*.b.example"), "tls", ("h2",), ("10.0.0.0/8", "10.1.1.1", "fd00::1"))
    found = plain(ListenerSpec("l", "0.0.0.0", 443, (Chain("c", match, TCP.content),)))
    assert found["filter_chains"][0]["filter_chain_match"] == {
        "destination_port": 443,
        "server_names": ["a.example", "*.b.example"],
        "transport_protocol": "tls",
        "application_protocols": ["h2"],
        "prefix_ranges": [
            {"address_prefix": "10.0.0.0", "prefix_len": 8},
            {"address_prefix": "10.1.1.1", "prefix_len": 32},
            {"address_prefix": "fd00::1", "prefix_len": 128},
        ],
    }


def test_http_by_rds() -> None:
    found = content(HttpChain("outbound_0.0.0.0_80", "80"))
    filters = [each["name"] for each in found.pop("http_filters")]
    assert filters[-1] == "envoy.filters.http.router"
    assert found.pop("@type").endswith(".http_connection_manager.v3.HttpConnectionManager")
    assert [each["name"] for each in found.pop("early_header_mutation_extensions")] == [
        "envoy.http.early_header_mutation.header_mutation"
    ]
    assert found == {
        "stat_prefix": "outbound_0.0.0.0_80",
        "rds": {"route_config_name": "80", "config_source": {"ads": {}, "resource_api_version": "V3"}},
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": "0s",
        "normalize_path": True,
        "use_remote_address": False,
        "proxy_100_continue": True,
    }


def test_filters_stand_in_the_order_of_their_phases() -> None:
    filters = [each["name"] for each in content(HttpChain("p", "80"))["http_filters"]]
    wanted = ["envoy.filters.http.fault", "envoy.filters.http.cors", "envoy.filters.http.router"]
    assert [name for name in filters if name in wanted] == wanted
    assert len(filters) == len(set(filters))


def test_inbound_http() -> None:
    found = content(HttpChain("inbound_0.0.0.0_8080;", "inbound|8080||", outbound=False))
    assert found["server_header_transformation"] == "PASS_THROUGH"
    assert found["rds"]["route_config_name"] == "inbound|8080||"
    assert "early_header_mutation_extensions" not in found  # the application is told what the caller's proxy counted


def test_bytes_by_weight() -> None:
    shares = (WeightedCluster("a", 90), WeightedCluster("b", 0), WeightedCluster("c", 10))
    weighted = content(TcpChain("p", shares))["weighted_clusters"]
    assert weighted == {"clusters": [{"name": "a", "weight": 90}, {"name": "c", "weight": 10}]}
    assert content(TcpChain("p", shares[:2]))["cluster"] == "a"


def test_policies_of_bytes() -> None:
    policies = Policies([HashKey(source_ip=True), ConnectionLifetime(timedelta(0)), Tunnel("h", 1)])
    found = content(TcpChain("p", (WeightedCluster("c"),), policies))
    assert found["hash_policy"] == [{"source_ip": {}}]
    assert found["idle_timeout"] == "0s"
    assert found["tunneling_config"] == {"hostname": "h:1"}
