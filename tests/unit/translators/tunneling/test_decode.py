"""Tunnel, read."""

from __future__ import annotations

from tests.unit.translators.traffic_policy import port_policy, read, traffic_policy
from xds.translators.tunneling.decode import tunneling
from xds.translators.tunneling.envoy import tcp_proxy
from xds.translators.tunneling.policy import Tunnel


def test_connect_is_the_default() -> None:
    plain = {"tunnel": {"targetHost": "db.example", "targetPort": 5432}}
    assert read(tunneling, traffic_policy(plain)) == (Tunnel("db.example", 5432), [])


def test_absent() -> None:
    assert read(tunneling, traffic_policy({})) == (None, [])
    assert read(tunneling, port_policy({})) == (None, [])


def test_nonsense() -> None:
    plain = {"tunnel": {"protocol": "GET", "targetHost": "*.example", "targetPort": 5432}}
    assert read(tunneling, traffic_policy(plain))[1] == [
        "tunnel.protocol tunnel.protocol",
        "tunnel.targetHost tunnel.host",
    ]


def test_addresses_of_version_6_stand_in_brackets() -> None:
    assert tcp_proxy(Tunnel("fd00::1", 443)).tunneling_config.hostname == "[fd00::1]:443"
