"""Connections whose way comes apart from the listener: the chain that names it, and what comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from xds.model.policy import Policies
from xds.translators.connection_pools.policy import ConnectionLifetime
from xds.translators.connections import found, offered, way
from xds.translators.dynamic_forward_proxy import http_filter
from xds.view.specs.listeners import FoundChain, TcpChain
from xds.view.specs.resources import ConnectionSpec, OfferedProtocols
from xds.view.specs.routes import WeightedCluster
from xds.wire.codec import to_plain

TYPE = "type.googleapis.com/envoy.extensions.filters.network"


def filters(chain: FoundChain) -> list[dict[str, Any]]:
    return [to_plain(each) for each in found(chain)]


def test_a_chain_only_names_its_way() -> None:
    (only,) = filters(FoundChain("outbound|70||db"))
    source = {"ads": {}, "resource_api_version": "V3"}
    assert only == {
        "name": "outbound|70||db",
        "config_discovery": {"config_source": source, "type_urls": [f"{TYPE}.tcp_proxy.v3.TcpProxy"]},
    }


def test_what_is_offered_and_what_is_resolved_stand_before_it() -> None:
    names = [each["name"] for each in filters(FoundChain("c", offers=True, resolves=8443))]
    assert names == ["c/alpn", "envoy.filters.network.sni_dynamic_forward_proxy", "c"]
    resolving = filters(FoundChain("c", resolves=8443))[0]["typed_config"]
    assert resolving["port_value"] == 8443


def test_all_filters_share_one_cache_of_names() -> None:
    cache = to_plain(http_filter())["typed_config"]["dns_cache_config"]
    assert filters(FoundChain("c", resolves=1))[0]["typed_config"]["dns_cache_config"] == cache
    left_out = [each["address_prefix"] for each in cache["resolved_address_filter"]["ranges"]]
    assert {"127.0.0.0", "169.254.0.0", "fe80::", "168.63.129.16", "fd00:ec2::254"} <= set(left_out)


def test_the_way_has_weights_and_policies() -> None:
    shares = (WeightedCluster("a", 1), WeightedCluster("b", 3))
    policies = Policies([ConnectionLifetime(timedelta(seconds=5))])
    plain = to_plain(way(ConnectionSpec("n", TcpChain("p", shares, policies))))
    assert plain["name"] == "n"
    assert plain["typed_config"]["@type"] == f"{TYPE}.tcp_proxy.v3.TcpProxy"
    assert plain["typed_config"]["weighted_clusters"] == {
        "clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]
    }
    assert plain["typed_config"]["idle_timeout"] == "5s"


def test_what_is_offered_may_be_nothing_of_its_own() -> None:
    plain = to_plain(offered(OfferedProtocols("n", ("istio",))))
    assert plain["name"] == "n/alpn"
    (value,) = plain["typed_config"]["on_new_connection"]
    assert value["format_string"] == {"text_format_source": {"inline_string": "istio"}}
    assert "on_new_connection" not in to_plain(offered(OfferedProtocols("n")))["typed_config"]
