"""MeshConfig: Istio's mesh-wide settings, and what holds where nobody wrote any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import msgspec

from xds.decoders.row import Authored, Row
from xds.kinds.mesh_config import MeshConfig as Struct
from xds.kinds.mesh_config import MeshConfigSpec
from xds.model.mesh import Mesh, OutboundMode
from xds.model.policy import Policies
from xds.model.snapshot import Input, Table
from xds.translators import connection_pools, direct_responses, retries, timeouts
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import MESH_CONFIG

# What holds while nobody says otherwise. Where it departs from Istio, docs/differences.md says why.
DEFAULT: Final = Mesh(
    route_policies=Policies([retries.DEFAULT, timeouts.DEFAULT]),
    cluster_policies=Policies([connection_pools.DEFAULT]),
    inbound_policies=Policies([retries.INBOUND_DEFAULT, timeouts.DEFAULT]),
    unknown_host=Policies([timeouts.DEFAULT]),
    refusal=Policies([direct_responses.BLOCKED]),
)

_READ: Final = frozenset(
    {
        "connect_timeout",
        "default_destination_rule_export_to",
        "default_http_retry_policy",
        "default_inbound_http_retry_policy",
        "default_service_export_to",
        "default_traffic_policy",
        "default_virtual_service_export_to",
        "dns_refresh_rate",
        "h2_upgrade_policy",
        "locality_lb_setting",
        "outbound_traffic_policy",
        "protocol_detection_timeout",
        "root_namespace",
        "tcp_keepalive",
        "trust_domain",
    }
)


def decode(authored: Authored) -> Iterator[Row]:
    """The row of the mesh's settings."""
    struct: Struct = authored.struct
    spec, at, reading = struct.spec, authored.spec, authored.reading
    _report_unread(spec, authored)
    stated = decode_policies(MESH_CONFIG, spec, at, reading)
    mode = spec.outbound_traffic_policy.mode if spec.outbound_traffic_policy is not None else None
    if mode == "ALLOW_ANY_DYNAMIC_DNS":
        reading.warning(
            at / "outboundTrafficPolicy.mode", "mesh.outbound-mode", "is taken as ALLOW_ANY by this version"
        )
        mode = "ALLOW_ANY"
    of_routes = (retries.RetryPolicy, timeouts.Timeout)
    mesh = Mesh(
        ref=authored.ref,
        root_namespace=spec.root_namespace or DEFAULT.root_namespace,
        trust_domain=spec.trust_domain or DEFAULT.trust_domain,
        domain=authored.domain,
        outbound_mode=OutboundMode(mode) if mode else DEFAULT.outbound_mode,
        connect_timeout=spec.connect_timeout or DEFAULT.connect_timeout,
        protocol_detection_timeout=_or(spec.protocol_detection_timeout, DEFAULT.protocol_detection_timeout),
        dns_refresh_rate=spec.dns_refresh_rate or DEFAULT.dns_refresh_rate,
        default_service_export_to=spec.default_service_export_to or ("*",),
        default_virtual_service_export_to=spec.default_virtual_service_export_to or ("*",),
        default_destination_rule_export_to=spec.default_destination_rule_export_to or ("*",),
        route_policies=Policies(p for p in stated if isinstance(p, of_routes)).over(DEFAULT.route_policies),
        cluster_policies=Policies(p for p in stated if not isinstance(p, of_routes)).over(DEFAULT.cluster_policies),
        inbound_policies=_inbound(spec, authored),
        unknown_host=DEFAULT.unknown_host,
        refusal=DEFAULT.refusal,
    )
    yield Row(Input(Table.MESH, ""), mesh)


def _report_unread(spec: MeshConfigSpec, authored: Authored) -> None:
    for field in msgspec.structs.fields(spec):
        if field.name not in _READ and getattr(spec, field.name) not in (None, field.default, field.default_factory):
            message = "is not carried out by this version"
            authored.reading.warning(authored.spec / field.encode_name, "mesh.not-read", message)
    outbound = spec.outbound_traffic_policy
    if outbound is not None and outbound.egress_proxy is not None:
        at = authored.spec / "outboundTrafficPolicy.egressProxy"
        authored.reading.warning(at, "mesh.not-read", "is not carried out by this version")


def _inbound(spec: MeshConfigSpec, authored: Authored) -> Policies:
    if spec.default_inbound_http_retry_policy is None:
        return DEFAULT.inbound_policies
    at = authored.spec / "defaultInboundHttpRetryPolicy"
    stated = retries.decode_retry(spec.default_inbound_http_retry_policy, at, authored.reading)
    return DEFAULT.inbound_policies.adding(stated)


def _or(stated: timedelta | None, default: timedelta) -> timedelta:
    return default if stated is None else stated
