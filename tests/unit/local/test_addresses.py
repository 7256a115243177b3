"""ClusterIPs and pod addresses."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.local.addresses import AddressPool, assign_cluster_ips, cluster_ip

NAMES = st.sets(st.tuples(st.sampled_from(["a", "b"]), st.text("xyz", min_size=1, max_size=4)), max_size=12)


@given(NAMES)
def test_addresses_are_distinct_and_the_same_in_any_order(names: set[tuple[str, str]]) -> None:
    network = "10.9.0.0/28"
    given_ips = assign_cluster_ips(names, network=network)
    assert given_ips == assign_cluster_ips(sorted(names, reverse=True), network=network)
    assert len(set(given_ips.values())) == len(names)
    hosts = {str(host) for host in ip_network(network).hosts()}
    assert set(given_ips.values()) <= hosts


def test_the_name_decides() -> None:
    assert assign_cluster_ips([("shop", "web")])["shop", "web"] == cluster_ip("shop", "web")
    assert ip_address(cluster_ip("shop", "web")) in ip_network("10.96.0.0/16")
    assert ":" in cluster_ip("shop", "web", "fd00:96::/112")


def test_taken_addresses_are_left_alone() -> None:
    wish = cluster_ip("shop", "web")
    assert assign_cluster_ips([("shop", "web")], taken=[wish])["shop", "web"] != wish


def test_a_full_network_says_so() -> None:
    with pytest.raises(ValueError, match="no free address"):
        assign_cluster_ips([("a", str(n)) for n in range(3)], network="10.9.0.0/30")


def test_pool_lends_freed_addresses_last() -> None:
    pool = AddressPool("10.9.0.0/29")
    assert pool.node == "10.9.0.1"
    assert [pool.lend("a"), pool.lend("b"), pool.lend("a")] == ["10.9.0.2", "10.9.0.3", "10.9.0.2"]
    pool.give_back("a")
    assert [pool.lend(name) for name in "cdef"] == ["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.2"]
    with pytest.raises(ValueError, match="no free address"):
        pool.lend("g")
