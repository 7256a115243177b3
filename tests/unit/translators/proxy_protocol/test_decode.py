"""ProxyProtocol, read."""

from __future__ import annotations

from tests.unit.translators.traffic_policy import port_policy, read, traffic_policy
from xds.translators.proxy_protocol.decode import proxy_protocol
from xds.translators.proxy_protocol.policy import ProxyProtocol, Version


def test_versions() -> None:
    assert read(proxy_protocol, traffic_policy({"proxyProtocol": {}})) == (ProxyProtocol(Version.V1), [])
    assert read(proxy_protocol, traffic_policy({"proxyProtocol": {"version": "V2"}})) == (ProxyProtocol(Version.V2), [])


def test_absent() -> None:
    assert read(proxy_protocol, traffic_policy({})) == (None, [])
    assert read(proxy_protocol, port_policy({})) == (None, [])
