"""What becomes of traffic to unknown places: ``outboundTrafficPolicy`` of MeshConfig and of Sidecars."""

from __future__ import annotations

from xds.kinds.mesh_config import OutboundTrafficPolicy
from xds.model.mesh import Beyond, OutboundMode
from xds.model.refs import FieldRef
from xds.model.route import Destination
from xds.translators.feature import Reading


def beyond(spec: OutboundTrafficPolicy | None, default: str, at: FieldRef, reading: Reading) -> Beyond:
    """What it says, with the mode ``default`` where it states none; what the mesh does where it is absent.

    Problems: egress-proxy.mode, egress-proxy.port.
    """
    if spec is None:
        return Beyond()
    mode = spec.mode or default
    stated = spec.egress_proxy
    if stated is None:
        return Beyond(OutboundMode(mode))
    if mode != "ALLOW_ANY":
        message = f"must be ALLOW_ANY where egressProxy is set, is {mode}"
        reading.error(at / "mode", "egress-proxy.mode", message)
    if stated.port is None:
        reading.error(at / "egressProxy.port", "egress-proxy.port", "must name a port of the service")
        return Beyond(OutboundMode(mode))
    return Beyond(OutboundMode(mode), Destination(reading.fqdn(stated.host), stated.subset, stated.port.number))
