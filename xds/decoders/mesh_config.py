"""MeshConfig: Istio's mesh-wide settings, and what holds where nobody wrote any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import msgspec

from xds.decoders.external_authorizers import authorizers
from xds.decoders.network_gateways import mesh_networks_rows
from xds.decoders.outbound_traffic import beyond
from xds.decoders.placed import placed_rows
from xds.decoders.row import Authored, Row
from xds.decoders.telemetry_providers import READ as TELEMETRY_READ
from xds.decoders.telemetry_providers import mesh_telemetry
from xds.kinds.mesh_config import MeshConfig as Struct
from xds.kinds.mesh_config import MeshConfigSpec, TLSConfig
from xds.kinds.proxy_config import ProxyConfig
from xds.model.identity import TrustDomains
from xds.model.mesh import InboundMode, Mesh, Paths, Topology
from xds.model.policy import Policies
from xds.model.refs import FieldRef
from xds.model.security import Authorities, TlsBounds
from xds.model.snapshot import Input, Table
from xds.translators import connection_pools, direct_responses, locality_failover, retries, timeouts
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import MESH_CONFIG, Reading

# What holds while nobody says otherwise. Where it departs from Istio, docs/differences.md says why.
DEFAULT: Final = Mesh(
    route_policies=Policies([retries.DEFAULT, timeouts.DEFAULT]),
    cluster_policies=Policies([connection_pools.DEFAULT, locality_failover.DEFAULT]),
    inbound_policies=Policies([retries.INBOUND_DEFAULT, timeouts.DEFAULT]),
    unknown_host=Policies([timeouts.DEFAULT]),
    refusal=Policies([direct_responses.BLOCKED]),
)

_TRUST_DOMAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
# What Envoy's BoringSSL has for TLS 1.2, and its curves; others are NACKed.
CIPHERS: Final = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
    }
)
CURVES: Final = frozenset({"X25519", "P-256", "P-384", "P-521", "X25519MLKEM768"})
_READ: Final = frozenset(
    {
        "ca_certificates",
        "connect_timeout",
        "default_config",
        "default_destination_rule_export_to",
        "default_http_retry_policy",
        "default_inbound_http_retry_policy",
        "default_service_export_to",
        "default_traffic_policy",
        "default_virtual_service_export_to",
        "dns_refresh_rate",
        "h2_upgrade_policy",
        "locality_lb_setting",
        "inbound_traffic_policy",
        "outbound_traffic_policy",
        "proxy_http_port",
        "protocol_detection_timeout",
        "root_namespace",
        "service_settings",
        "tcp_keepalive",
        "enable_auto_mtls",
        "mesh_mtls",
        "mesh_networks",
        "path_normalization",
        "tls_defaults",
        "extension_providers",
        "trust_domain",
        "trust_domain_aliases",
    }
)


def decode(authored: Authored) -> Iterator[Row]:
    """The row of the mesh's settings."""
    struct: Struct = authored.struct
    spec, at, reading = struct.spec, authored.spec, authored.reading
    _report_unread(spec, authored)
    stated = decode_policies(MESH_CONFIG, spec, at, reading)
    of_routes = (retries.RetryPolicy, timeouts.Timeout)
    mesh = Mesh(
        ref=authored.ref,
        root_namespace=spec.root_namespace or DEFAULT.root_namespace,
        trust=_trust(spec, authored),
        authorities=_authorities(spec, authored),
        paths=_paths(spec),
        auto_mtls=spec.enable_auto_mtls is not False,
        mesh_tls=_bounds(spec.mesh_mtls, at / "meshMTLS", reading),
        tls_defaults=_bounds(spec.tls_defaults, at / "tlsDefaults", reading),
        authorizers=authorizers(spec.extension_providers, at / "extensionProviders", reading),
        domain=authored.domain,
        cluster=authored.cluster,
        cluster_local=_cluster_local(spec),
        beyond=beyond(spec.outbound_traffic_policy, "ALLOW_ANY", at / "outboundTrafficPolicy", reading),
        inbound_mode=_inbound_mode(spec),
        http_proxy_port=spec.proxy_http_port,
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
        topology=_topology(spec),
        telemetry=mesh_telemetry(spec, at, reading),
    )
    yield Row(Input(Table.MESH, ""), mesh)
    yield from placed_rows(mesh.cluster_policies, authored.ref)
    if spec.mesh_networks is not None:
        yield from mesh_networks_rows(spec.mesh_networks, at / "meshNetworks", authored)


def _report_unread(spec: MeshConfigSpec, authored: Authored) -> None:
    for field in msgspec.structs.fields(spec):
        if field.name in _READ | TELEMETRY_READ:
            continue
        if getattr(spec, field.name) not in (None, field.default, field.default_factory):
            message = "is not carried out by this version"
            authored.reading.warning(authored.spec / field.encode_name, "mesh.not-read", message)
    for field in msgspec.structs.fields(ProxyConfig) if spec.default_config is not None else ():
        unset: tuple[object, ...] = (None, {}, field.default, field.default_factory)
        if field.name not in ("gateway_topology", "tracing") and getattr(spec.default_config, field.name) not in unset:
            message = "is not carried out by this version"
            authored.reading.warning(authored.spec / "defaultConfig" / field.encode_name, "mesh.not-read", message)


def _topology(spec: MeshConfigSpec) -> Topology:
    stated = spec.default_config.gateway_topology if spec.default_config is not None else None
    if stated is None:
        return DEFAULT.topology
    words = stated.forward_client_cert_details
    return Topology(
        trusted_proxies=stated.num_trusted_proxies,
        client_certificate=words if words not in ("", "UNDEFINED") else DEFAULT.topology.client_certificate,
        proxy_protocol=stated.proxy_protocol is not None,
    )


def _cluster_local(spec: MeshConfigSpec) -> tuple[tuple[str, bool], ...]:
    """Hosts, and whether they are the own cluster's alone; of a host that is named twice, what is said last."""
    stated = (each for each in spec.service_settings if each.settings is not None)
    return tuple({host: each.settings.cluster_local for each in stated if each.settings for host in each.hosts}.items())


def _inbound_mode(spec: MeshConfigSpec) -> InboundMode:
    stated = spec.inbound_traffic_policy
    return InboundMode(stated.mode) if stated is not None else DEFAULT.inbound_mode


def _inbound(spec: MeshConfigSpec, authored: Authored) -> Policies:
    if spec.default_inbound_http_retry_policy is None:
        return DEFAULT.inbound_policies
    at = authored.spec / "defaultInboundHttpRetryPolicy"
    stated = retries.decode_retry(spec.default_inbound_http_retry_policy, at, authored.reading)
    # Its application is the only host there is, and is not told what its caller has to know.
    return DEFAULT.inbound_policies.adding(replace(stated, avoid_previous_hosts=False, counted=False))


def _trust(spec: MeshConfigSpec, authored: Authored) -> TrustDomains:
    stated = [(spec.trust_domain, authored.spec / "trustDomain")]
    stated += [(name, authored.spec / "trustDomainAliases" / i) for i, name in enumerate(spec.trust_domain_aliases)]
    for name, at in stated:
        if name and not _TRUST_DOMAIN.fullmatch(name.replace("@", ".")):
            authored.reading.error(at, "mesh.trust-domain", f"must be letters, digits, '.', '-' and '_', is {name!r}")
    own = (spec.trust_domain or DEFAULT.trust.own).replace("@", ".")
    aliases = tuple(dict.fromkeys(name.replace("@", ".") for name in spec.trust_domain_aliases))
    foreign = {name for each in spec.ca_certificates for name in each.trust_domains} - {own, *aliases}
    return TrustDomains(own, aliases, tuple(sorted(foreign)))


def _paths(spec: MeshConfigSpec) -> Paths:
    stated = spec.path_normalization.normalization if spec.path_normalization is not None else "DEFAULT"
    return DEFAULT.paths if stated == "DEFAULT" else Paths(stated)


def _authorities(spec: MeshConfigSpec, authored: Authored) -> tuple[Authorities, ...]:
    found = []
    for index, each in enumerate(spec.ca_certificates):
        at = authored.spec / "caCertificates" / index
        for name in ("spiffeBundleUrl", "certSigners"):
            if each.spiffe_bundle_url if name == "spiffeBundleUrl" else each.cert_signers:
                authored.reading.warning(at / name, "mesh.not-read", "is not carried out by this version; give pem")
        if each.pem and "-----BEGIN CERTIFICATE-----" not in each.pem:
            authored.reading.error(
                at / "pem", "mesh.authorities", "must be certificates in PEM (-----BEGIN CERTIFICATE-----)"
            )
        elif each.pem:
            found.append(Authorities(each.pem, each.trust_domains))
    return tuple(found)


def _bounds(spec: TLSConfig | None, at: FieldRef, reading: Reading) -> TlsBounds:
    if spec is None:
        return TlsBounds()
    if spec.min_protocol_version == "TLSV1_3" and spec.cipher_suites:
        reading.warning(
            at / "cipherSuites", "mesh.ciphers-unused", "have no effect with TLSV1_3, whose suites are fixed"
        )
    minimum = "TLSv1_3" if spec.min_protocol_version == "TLSV1_3" else "TLSv1_2"
    return TlsBounds(
        minimum,
        _known(spec.cipher_suites, CIPHERS, at / "cipherSuites", reading),
        _known(spec.ecdh_curves, CURVES, at / "ecdhCurves", reading),
    )


def _known(stated: tuple[str, ...], known: frozenset[str], at: FieldRef, reading: Reading) -> tuple[str, ...]:
    for index, name in enumerate(stated):
        if name not in known:
            reading.error(at / index, "mesh.tls-unknown", f"{name!r} is none of {', '.join(sorted(known))}")
    return tuple(dict.fromkeys(stated))


def _or(stated: timedelta | None, default: timedelta) -> timedelta:
    return default if stated is None else stated
