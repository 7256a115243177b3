"""Reading ``proxyProtocol`` of a DestinationRule."""

from __future__ import annotations

from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.proxy_protocol.policy import ProxyProtocol, Version


def proxy_protocol(struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading) -> ProxyProtocol | None:
    """The policy in ``trafficPolicy.proxyProtocol``; None when absent. Settings of a port have no such field."""
    del at, reading
    if not isinstance(struct, TrafficPolicy) or struct.proxy_protocol is None:
        return None
    return ProxyProtocol(Version.V2 if struct.proxy_protocol.version == "V2" else Version.V1)
