"""TLS to services in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsParameters,
)
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, UpstreamTlsContext
from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.wire.codec import pack

SYSTEM_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
_TLS: Final = "envoy.transport_sockets.tls"
_SPELLED: Final = (Mode.SIMPLE, Mode.MUTUAL)


def cluster(tls: UpstreamTls) -> Cluster:
    """The Cluster fragment: ``transport_socket``; nothing for DISABLE, nor yet for the mesh's own identities."""
    message = Cluster()
    if tls.mode not in _SPELLED:
        return message
    context = UpstreamTlsContext(sni=tls.sni)
    _spell(tls, context.common_tls_context)
    message.transport_socket.name = _TLS
    message.transport_socket.typed_config.CopyFrom(pack(context))
    return message


def _spell(tls: UpstreamTls, into: CommonTlsContext) -> None:
    into.tls_params.tls_minimum_protocol_version = TlsParameters.TLSv1_2
    into.tls_params.tls_maximum_protocol_version = TlsParameters.TLSv1_3
    if tls.mode is Mode.MUTUAL:
        pair = into.tls_certificates.add()
        pair.certificate_chain.filename = tls.certificate
        pair.private_key.filename = tls.private_key
    if tls.verify:
        into.validation_context.CopyFrom(_validation(tls))


def _validation(tls: UpstreamTls) -> CertificateValidationContext:
    message = CertificateValidationContext()
    message.trusted_ca.filename = tls.authorities or SYSTEM_AUTHORITIES
    if tls.revoked:
        message.crl.filename = tls.revoked
    for name in tls.names:
        kind = SubjectAltNameMatcher.URI if "://" in name else SubjectAltNameMatcher.DNS
        message.match_typed_subject_alt_names.add(san_type=kind).matcher.exact = name
    return message


def http_protocol_options(tls: UpstreamTls) -> HttpProtocolOptions:
    """The HttpProtocolOptions fragment: SNI, and the name to prove, from each request, where the rule names none."""
    message = HttpProtocolOptions()
    if tls.mode in _SPELLED and not tls.sni:
        message.upstream_http_protocol_options.auto_sni = True
    if tls.mode in _SPELLED and tls.verify and not tls.names:
        message.upstream_http_protocol_options.auto_san_validation = True
    return message
