"""Names by which Plait's Gateways, and what is made for them, are known in a cluster."""

from __future__ import annotations

from typing import Final

from xds.model.gateway_api import shortened

CLASS: Final = "plait"
"""The GatewayClass that is made where there is none of that name."""

CLASS_LABEL: Final = "gateway.networking.k8s.io/gateway-class-name"


def made_for(gateway: str, gateway_class: str) -> str:
    """The name of the Deployment, Service and ServiceAccount of a Gateway."""
    return shortened(f"{gateway}-{gateway_class}")
