"""ConnectionPool and retryBudget, read and merged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.translators.traffic_policy import mesh_config, port_policy, read, traffic_policy
from xds.model.quantity import Percent
from xds.model.service import Protocol
from xds.translators.connection_pools.decode import connection_pools, mesh_connection_pools
from xds.translators.connection_pools.policy import (
    DEFAULT,
    ConnectionLifetime,
    ConnectionPools,
    Keepalive,
    Limits,
    RetryBudget,
    Upgrade,
)


def test_absent_is_no_policy() -> None:
    assert read(connection_pools, traffic_policy({})) == (None, [])
    assert read(mesh_connection_pools, mesh_config({})) == (None, [])


def test_retry_budget_alone() -> None:
    policy, problems = read(connection_pools, traffic_policy({"retryBudget": {}}))
    assert (policy, problems) == (ConnectionPools(retry_budget=RetryBudget(Percent.of(20), None, 3)), [])


def test_settings_of_a_port_have_no_budget() -> None:
    policy, _ = read(connection_pools, port_policy({"connectionPool": {"tcp": {"maxConnections": 1}}}))
    assert policy == ConnectionPools(Limits(max_connections=1))


def test_max_retries_beside_a_budget_are_in_vain() -> None:
    plain = {"retryBudget": {"percent": 5}, "connectionPool": {"http": {"maxRetries": 5}}}
    assert read(connection_pools, traffic_policy(plain))[1] == ["connectionPool.http.maxRetries retry-budget.overrides"]


def test_two_wishes_for_the_protocol() -> None:
    plain = {"connectionPool": {"http": {"useClientProtocol": True, "h2UpgradePolicy": "UPGRADE"}}}
    policy, problems = read(connection_pools, traffic_policy(plain))
    assert policy.spoken(Protocol.HTTP) is Protocol.AUTO
    assert problems == ["connectionPool.http.h2UpgradePolicy connection-pool.two-protocols"]


@pytest.mark.parametrize(
    ("upgrade", "by_mesh", "declared", "spoken"),
    [
        (Upgrade.DEFAULT, False, Protocol.HTTP, Protocol.HTTP),
        (Upgrade.DEFAULT, True, Protocol.HTTP, Protocol.HTTP2),
        (Upgrade.DEFAULT, True, Protocol.TCP, Protocol.TCP),
        (Upgrade.DEFAULT, True, Protocol.AUTO, Protocol.AUTO),
        (Upgrade.NEVER, True, Protocol.HTTP, Protocol.HTTP),
        (Upgrade.ALWAYS, False, Protocol.AUTO, Protocol.HTTP2),
        (Upgrade.ALWAYS, False, Protocol.TCP, Protocol.HTTP2),
    ],
)
def test_spoken(upgrade: Upgrade, by_mesh: bool, declared: Protocol, spoken: Protocol) -> None:
    assert ConnectionPools(Limits(upgrade=upgrade), mesh_upgrade=by_mesh).spoken(declared) is spoken


def test_merge_fills_blocks_that_are_absent() -> None:
    mesh = ConnectionPools(Limits(max_connections=1), mesh_keepalive=Keepalive(3), mesh_upgrade=True)
    rule = ConnectionPools(retry_budget=RetryBudget())
    subset = ConnectionPools(Limits(max_retries=4))
    merged = subset.merge(rule.merge(mesh.merge(DEFAULT)))
    assert merged == ConnectionPools(Limits(max_retries=4), RetryBudget(), Keepalive(3), True)


def test_lifetimes_are_at_the_caller() -> None:
    assert DEFAULT.at_caller() is None
    assert ConnectionPools(Limits(max_connections=1)).at_caller() is None
    hour = timedelta(hours=1)
    assert ConnectionPools(Limits(max_connection_duration=hour)).at_caller() == ConnectionLifetime(None, hour)


def test_mesh_words() -> None:
    plain = {"tcpKeepalive": {"probes": 2}, "defaultTrafficPolicy": {"connectionPool": {"http": {"maxRetries": 2}}}}
    policy, problems = read(mesh_connection_pools, mesh_config(plain))
    assert (policy, problems) == (ConnectionPools(Limits(max_retries=2), mesh_keepalive=Keepalive(2)), [])
