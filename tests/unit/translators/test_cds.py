"""Clusters by discovery and protocol; what policies add is in the goldens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from xds.model.endpoint import Endpoint, Locality
from xds.model.policy import Policies
from xds.model.refs import ObjectRef
from xds.translators.cds import cluster
from xds.translators.connection_pools.policy import ConnectionPools, Limits
from xds.translators.load_balancing import HashKey, LoadBalancing, Method
from xds.view.specs.clusters import ClusterSpec, Discovery, LocalityGroup, UpstreamProtocol
from xds.wire.codec import to_plain

NAME = "outbound|80||b.shop.svc.cluster.local"
HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HOSTS = (LocalityGroup(Locality(), (Endpoint("b.example", 443),)),)


def plain(spec: ClusterSpec) -> dict[str, Any]:
    return to_plain(cluster(spec))


def test_eds_with_all_defaults() -> None:
    budget = {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}
    most = 4294967295
    threshold = {"max_connections": most, "max_pending_requests": most, "max_requests": most, "retry_budget": budget}
    assert plain(ClusterSpec(NAME, Discovery.EDS)) == {
        "name": NAME,
        "alt_stat_name": f"{NAME};",
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [threshold]},
        "common_lb_config": {"healthy_panic_threshold": {}},
    }


def test_connect_timeout_of_a_policy_goes_before_the_meshs() -> None:
    policies = Policies([ConnectionPools(Limits(connect_timeout=timedelta(milliseconds=5)))])
    assert plain(ClusterSpec(NAME, Discovery.EDS, policies=policies))["connect_timeout"] == "0.005s"


def test_original_destination_leaves_no_choice() -> None:
    policies = Policies([LoadBalancing(Method.RING_HASH, HashKey(header="x"), 10)])
    spec = ClusterSpec(
        NAME, Discovery.ORIGINAL_DST, policies=policies, source_addresses=("127.0.0.6",), port_override=8080
    )
    found = plain(spec)
    assert (found["type"], found["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
    assert "ring_hash_lb_config" not in found
    assert found["original_dst_lb_config"] == {"upstream_port_override": 8080}
    assert found["upstream_bind_config"] == {"source_address": {"address": "127.0.0.6", "port_value": 0}}


def test_static_without_hosts_and_with() -> None:
    assert "load_assignment" not in plain(ClusterSpec(NAME, Discovery.STATIC))
    assert plain(ClusterSpec(NAME, Discovery.STATIC, endpoints=HOSTS))["load_assignment"]["cluster_name"] == NAME


def test_names_resolved_by_envoy() -> None:
    strict = plain(ClusterSpec(NAME, Discovery.STRICT_DNS, endpoints=HOSTS))["cluster_type"]["typed_config"]
    assert (strict["dns_refresh_rate"], strict["respect_dns_ttl"]) == ("60s", True)
    assert strict["dns_lookup_family"] == "V4_PREFERRED"
    assert "all_addresses_in_single_endpoint" not in strict
    logical = plain(ClusterSpec(NAME, Discovery.LOGICAL_DNS, endpoints=HOSTS))["cluster_type"]["typed_config"]
    assert (logical["dns_lookup_family"], logical["all_addresses_in_single_endpoint"]) == ("ALL", True)


def test_protocols() -> None:
    def options(protocol: UpstreamProtocol) -> dict[str, Any]:
        found = dict(plain(ClusterSpec(NAME, Discovery.EDS, protocol))["typed_extension_protocol_options"][HTTP])
        del found["@type"]
        return found

    assert options(UpstreamProtocol.HTTP1) == {"explicit_http_config": {"http_protocol_options": {}}}
    assert options(UpstreamProtocol.HTTP2) == {"explicit_http_config": {"http2_protocol_options": {}}}
    assert options(UpstreamProtocol.DOWNSTREAM) == {
        "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}
    }


def test_what_it_was_made_from() -> None:
    rule = ObjectRef("networking.istio.io", "DestinationRule", "shop", "b")
    spec = ClusterSpec(NAME, Discovery.EDS, authored=rule, service=("b.shop.svc.cluster.local", "b", "shop"))
    assert plain(spec)["metadata"]["filter_metadata"]["istio"] == {
        "config": "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/b",
        "services": [{"host": "b.shop.svc.cluster.local", "name": "b", "namespace": "shop"}],
        "host": "b.shop.svc.cluster.local",
        "name": "b",
        "namespace": "shop",
    }
