"""LoadBalancer, read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.translators.traffic_policy import port_policy, read, traffic_policy
from xds.translators.load_balancing.decode import load_balancing
from xds.translators.load_balancing.policy import Cookie, HashKey, LoadBalancing, Method, Warmup

Plain = dict[str, Any]


def balancing(block: Plain) -> tuple[LoadBalancing, list[str]]:
    policy, problems = read(load_balancing, traffic_policy({"loadBalancer": block}))
    assert isinstance(policy, LoadBalancing)
    return policy, problems


def test_absent_is_no_policy() -> None:
    assert read(load_balancing, traffic_policy({})) == (None, [])


@pytest.mark.parametrize("word", ["UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST"])
def test_least_request_by_any_name(word: str) -> None:
    assert balancing({"simple": word}) == (LoadBalancing(Method.LEAST_REQUEST), [])


def test_block_without_method_is_least_request() -> None:
    assert balancing({"localityLbSetting": {"enabled": True}})[0].method is Method.LEAST_REQUEST


def test_passthrough_is_what_the_view_asks_for() -> None:
    assert balancing({"simple": "PASSTHROUGH"})[0].passthrough
    assert not balancing({"simple": "RANDOM"})[0].passthrough


def test_settings_of_a_port_are_read_alike() -> None:
    policy, problems = read(load_balancing, port_policy({"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}}))
    assert (policy, problems) == (LoadBalancing(Method.RANDOM), [])


@pytest.mark.parametrize(
    ("stated", "key"),
    [
        ({"httpHeaderName": "x-user"}, HashKey(header="x-user")),
        ({"httpCookie": {"name": "user"}}, HashKey(cookie=Cookie("user"))),
        ({"httpCookie": {"name": "user", "ttl": "0s"}}, HashKey(cookie=Cookie("user", ttl=timedelta(0)))),
        ({"useSourceIp": True}, HashKey(source_ip=True)),
        ({"httpQueryParameterName": "user"}, HashKey(query="user")),
    ],
)
def test_keys_are_at_the_caller(stated: Plain, key: HashKey) -> None:
    policy, problems = balancing({"consistentHash": stated})
    assert (policy.method, policy.at_caller(), policy.key, problems) == (Method.RING_HASH, key, key, [])


@pytest.mark.parametrize("stated", [{}, {"httpHeaderName": ""}, {"useSourceIp": False}, {"ringHash": {}}])
def test_hash_of_nothing_is_an_error(stated: Plain) -> None:
    assert balancing({"consistentHash": stated})[1] == ["loadBalancer.consistentHash consistent-hash.no-key"]


def test_ring_size_goes_before_the_deprecated_field() -> None:
    stated = {"useSourceIp": True, "ringHash": {"minimumRingSize": 10}, "minimumRingSize": 20}
    assert balancing({"consistentHash": stated})[0].size == 10


@pytest.mark.parametrize(
    ("size", "good"), [(0, True), (2, True), (65537, True), (1, False), (65536, False), (5000077, False)]
)
def test_maglev_tables_are_prime(size: int, good: bool) -> None:
    problems = balancing({"consistentHash": {"useSourceIp": True, "maglev": {"tableSize": size}}})[1]
    assert (problems == []) is good


def test_warmup() -> None:
    policy, problems = balancing({"warmup": {"duration": "10s"}, "warmupDurationSecs": "20s"})
    assert (policy.warmup, problems) == (Warmup(timedelta(seconds=10), 10.0, 1.0), [])


def test_warmup_does_not_go_with_hashing() -> None:
    problems = balancing({"consistentHash": {"useSourceIp": True}, "warmupDurationSecs": "20s"})[1]
    assert problems == ["loadBalancer.consistentHash warmup.no-effect"]


def test_not_read_is_said() -> None:
    assert balancing({"backendUtilization": {}})[1] == [
        "loadBalancer.backendUtilization load-balancer.backend-utilization"
    ]


def test_a_narrower_block_replaces_the_wider_one() -> None:
    assert LoadBalancing().merge(LoadBalancing(Method.RANDOM)) == LoadBalancing()
