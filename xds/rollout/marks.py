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
"""Of the setting ``rollouts``: objects that have the annotation, all but those that say ``at-once``, none.

Objects of ``SECURITY`` are staged where they have the annotation, never by ``ALL``.
"""

SECURITY: Final = "security.istio.io"
"""Whom a DENY is aimed at must not keep it out by being in its first cohort: only who writes it may stage it."""

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
        (SECURITY, "AuthorizationPolicy"),
        (SECURITY, "PeerAuthentication"),
        (SECURITY, "RequestAuthentication"),
        ("telemetry.istio.io", "Telemetry"),
    }
)
"""Intent. Facts (pods, endpoints, services, certificates) and what is the mesh's own are never held back."""


def can_be_staged(ref: ObjectRef) -> bool:
    """Whether changes of an object of that kind can roll out in steps."""
    return (ref.group, ref.kind) in KINDS and not ref.cluster


def staged(ref: ObjectRef, struct: Any, mode: str) -> bool:
    """Whether changes of an object with that content are to roll out in steps, by a mode of ``MODES``."""
    said = struct.metadata.annotations.get(ANNOTATION, "")
    unsaid = mode == ALL and said != AT_ONCE and ref.group != SECURITY
    return mode != OFF and (said == STAGED or unsaid)
