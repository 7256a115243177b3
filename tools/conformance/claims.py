"""What is put to the test: the suite's profiles in two runs, as only one of them wants sidecars beside its pods."""

from __future__ import annotations

from typing import Final

from tools.conformance.suite import Claim
from xds.controllers.gateway_api.features import GATEWAY, MESH, ROUTES
from xds.controllers.gateway_api.names import CLASS

MESH_CLAIM: Final = Claim(
    name="mesh",
    profiles=("MESH-HTTP", "MESH-GRPC"),
    # Seven tests of the mesh use features of gateways' routes, too: they are in no profile, and tell the most.
    features=(
        "Mesh",
        "HTTPRoute",
        "GRPCRoute",
        *MESH,
        "HTTPRoute303RedirectStatusCode",
        "HTTPRoute307RedirectStatusCode",
        "HTTPRoute308RedirectStatusCode",
        "HTTPRouteParentRefPort",
        "HTTPRouteResponseHeaderModification",
    ),
    labels="istio-injection=enabled",
)

GATEWAY_CLAIM: Final = Claim(
    name="gateway",
    profiles=("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS"),
    features=("Gateway", "ReferenceGrant", "HTTPRoute", "GRPCRoute", "TLSRoute", *GATEWAY, *ROUTES),
    gateway_class=CLASS,
)

CLAIMS: Final = (MESH_CLAIM, GATEWAY_CLAIM)
