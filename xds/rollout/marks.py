"""Which changes roll out in steps: of policies and routing, as an annotation of the object or the settings say."""

from __future__ import annotations

from typing import Any, Final

from xds.model.refs import ObjectRef

ANNOTATION: Final = "plait.dev/rollout"
STAGED: Final = "staged"
AT_ONCE: Final = "at-once"

MARKED: Final = "marked"
ALL: Final = "all"
OFF: Final = "off"
MODES: Final = (MARKED, ALL, OFF)
"""Of the setting ``rollouts``: objects that have the annotation, all but those that say ``at-once``, none."""

KINDS: Final = frozenset(
    {
        ("gateway.networking.k8s.io", "BackendTLSPolicy"),
        ("gateway.networking.k8s.io", "GRPCRoute"),
        ("gateway.networking.k8s.io", "HTTPRoute"),
        ("gateway.networking.k8s.io", "TCPRoute"),
        ("gateway.networking.k8s.io", "TLSRoute"),
        ("networking.istio.io", "DestinationRule"),
        ("networking.istio.io", "EnvoyFilter"),
        ("networking.istio.io", "Gateway"),
        ("networking.istio.io", "ServiceEntry"),
        ("networking.istio.io", "Sidecar"),
        ("networking.istio.io", "VirtualService"),
        ("networking.plait.dev", "RateLimit"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
        ("security.istio.io", "RequestAuthentication"),
        ("telemetry.istio.io", "Telemetry"),
    }
)
"""Intent. Facts (pods, endpoints, services, certificates) and what is the mesh's own are never held back."""


def can_be_staged(ref: ObjectRef) -> bool:
    """Whether changes of an object of that kind can roll out in steps."""
    return (ref.group, ref.kind) in KINDS and not ref.cluster


def staged(struct: Any, mode: str) -> bool:
    """Whether changes of an object with that content are to roll out in steps, by a mode of ``MODES``."""
    said = struct.metadata.annotations.get(ANNOTATION, "")
    return mode != OFF and (said == STAGED or (mode == ALL and said != AT_ONCE))
