"""The settings of the whole mesh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef


class OutboundMode(Enum):
    """What happens to calls to places that the mesh does not know."""

    ALLOW_ANY = "ALLOW_ANY"
    REGISTRY_ONLY = "REGISTRY_ONLY"


@dataclass(frozen=True, slots=True)
class Mesh:
    """The settings of the whole mesh (Istio's MeshConfig); ``ref`` is None while nobody wrote one."""

    ref: ObjectRef | None = None
    root_namespace: str = "istio-system"
    trust_domain: str = "cluster.local"
    domain: str = "cluster.local"
    outbound_mode: OutboundMode = OutboundMode.ALLOW_ANY
    connect_timeout: timedelta = timedelta(seconds=10)
    protocol_detection_timeout: timedelta = timedelta(0)
    dns_refresh_rate: timedelta = timedelta(seconds=60)
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)
    route_policies: Policies = NO_POLICIES
    cluster_policies: Policies = NO_POLICIES
    inbound_policies: Policies = NO_POLICIES
    unknown_host: Policies = NO_POLICIES  # of the route to hosts that the mesh does not know
    refusal: Policies = NO_POLICIES  # what answers them under REGISTRY_ONLY
