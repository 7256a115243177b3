"""Reading ``tunnel`` of a DestinationRule."""

from __future__ import annotations

from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.tunneling.policy import Tunnel


def tunneling(struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading) -> Tunnel | None:
    """The policy in ``trafficPolicy.tunnel``; None when absent. Settings of a port have no such field.

    Problems: tunnel.protocol, tunnel.host.
    """
    if not isinstance(struct, TrafficPolicy) or struct.tunnel is None:
        return None
    spec, at = struct.tunnel, at / "tunnel"
    if spec.protocol not in ("", "CONNECT", "POST"):
        reading.error(at / "protocol", "tunnel.protocol", f"must be CONNECT or POST, is {spec.protocol!r}")
    if "*" in spec.target_host or "/" in spec.target_host:
        reading.error(at / "targetHost", "tunnel.host", f"must be a host name or an address, is {spec.target_host!r}")
    return Tunnel(spec.target_host, spec.target_port, spec.protocol == "POST")
