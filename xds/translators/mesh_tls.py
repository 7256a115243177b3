"""The mesh's mutual TLS in Envoy's words: certificates by SDS, whom to believe, and what to offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
from xds.api.envoy.config.core.v3.config_source_pb2 import ApiConfigSource, ApiVersion
from xds.api.envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from xds.api.envoy.extensions.transport_sockets.tls.v3.common_pb2 import SubjectAltNameMatcher, TlsParameters
from xds.api.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import (
    CommonTlsContext,
    DownstreamTlsContext,
    UpstreamTlsContext,
)
from xds.model.identity import SCHEME, Identity
from xds.model.security import TLS_MODE_ISTIO, TlsBounds
from xds.translators.config_source import over_ads
from xds.view.names import AUTHORITIES, CERTIFICATE, OWN_AUTHORITIES, WORKLOAD_SOCKET
from xds.view.specs.clusters import MeshTls
from xds.view.specs.listeners import ServerTls
from xds.wire.codec import pack

TLS: Final = "envoy.transport_sockets.tls"
# The key in an endpoint's metadata (envoy.transport_socket_match) by which a cluster picks its transport.
TLS_MODE: Final = "tlsMode"
_VERSIONS: Final = {"TLSv1_2": TlsParameters.TLSv1_2, "TLSv1_3": TlsParameters.TLSv1_3}
_SERVED: Final = ("h2", "http/1.1")
# Suites with forward secrecy, AEAD only; TLS 1.3's are fixed.
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)


def spell_bounds(bounds: TlsBounds, into: TlsParameters, default_ciphers: Iterable[str] = ()) -> None:
    """Set the versions, suites and curves that may be negotiated; without suites of its own, ``default_ciphers``."""
    into.tls_minimum_protocol_version = _VERSIONS[bounds.minimum]
    into.tls_maximum_protocol_version = TlsParameters.TLSv1_3
    if bounds.minimum != "TLSv1_3":
        into.cipher_suites.extend(bounds.ciphers or default_ciphers)
    into.ecdh_curves.extend(bounds.curves)


def spell_cluster(tls: MeshTls, into: Cluster) -> None:
    """Set the transport of a cluster: mutual TLS, or by endpoint, mutual TLS to those that take it."""
    if not tls.by_endpoint:
        into.transport_socket.CopyFrom(_client(tls))
        return
    takes = into.transport_socket_matches.add(name="tlsMode-istio", transport_socket=_client(tls))
    takes.match[TLS_MODE] = TLS_MODE_ISTIO
    plain = TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=pack(RawBuffer()))
    into.transport_socket_matches.add(name="tlsMode-disabled", transport_socket=plain).match.SetInParent()


def _client(tls: MeshTls) -> TransportSocket:
    context = UpstreamTlsContext(sni=tls.sni)
    common = context.common_tls_context
    common.alpn_protocols.extend(tls.alpn)
    expected = common.combined_validation_context.default_validation_context
    for name in tls.names:
        kind = SubjectAltNameMatcher.URI if "://" in name else SubjectAltNameMatcher.DNS
        expected.match_typed_subject_alt_names.add(san_type=kind).matcher.exact = name
    if not tls.names:
        expected.match_typed_subject_alt_names.extend(_of(tls.trust.all))
    spell_bounds(tls.bounds, common.tls_params)  # of suites the server has the pick
    _spell_identity(tls.source, common, _believed_by(tls))
    return TransportSocket(name=TLS, typed_config=pack(context))


def _believed_by(tls: MeshTls) -> str:
    """The authorities that may prove a server: other meshes' only where one of theirs is expected.

    A certificate of theirs may hold an id of ours beside one of theirs, and any that is expected is enough for Envoy.
    """
    foreign = tuple(f"{SCHEME}{domain}/" for domain in tls.trust.federated)
    if not foreign or tls.source is Identity.SOCKET or any(name.startswith(foreign) for name in tls.names):
        return AUTHORITIES
    return OWN_AUTHORITIES


def server_socket(tls: ServerTls) -> TransportSocket:
    """The transport of a chain whose callers must show a certificate of the mesh."""
    context = DownstreamTlsContext()
    context.require_client_certificate.value = True
    common = context.common_tls_context
    common.alpn_protocols.extend(_SERVED)
    expected = common.combined_validation_context.default_validation_context
    expected.match_typed_subject_alt_names.extend(_of(tls.trust.believed))
    spell_bounds(tls.bounds, common.tls_params, _CIPHERS)
    _spell_identity(tls.source, common)
    return TransportSocket(name=TLS, typed_config=pack(context))


def _of(domains: Iterable[str]) -> Iterable[SubjectAltNameMatcher]:
    for domain in domains:
        matcher = SubjectAltNameMatcher(san_type=SubjectAltNameMatcher.URI)
        matcher.matcher.prefix = f"{SCHEME}{domain}/"
        yield matcher


def _spell_identity(source: Identity, into: CommonTlsContext, believed: str = AUTHORITIES) -> None:
    into.tls_certificate_sds_secret_configs.append(secret(CERTIFICATE, source))
    authorities = into.combined_validation_context.validation_context_sds_secret_config
    authorities.CopyFrom(secret(believed, source))


def secret(name: str, source: Identity = Identity.ADS) -> SdsSecretConfig:
    """Where a secret comes from: the proxy's own stream, or the workload API beside it."""
    message = SdsSecretConfig(name=name)
    if source is not Identity.SOCKET:
        over_ads(message.sds_config)
        return message
    message.sds_config.resource_api_version = ApiVersion.V3
    api = message.sds_config.api_config_source
    api.api_type = ApiConfigSource.GRPC
    api.transport_api_version = ApiVersion.V3
    api.set_node_on_first_message_only = True
    api.grpc_services.add().envoy_grpc.cluster_name = WORKLOAD_SOCKET
    return message
