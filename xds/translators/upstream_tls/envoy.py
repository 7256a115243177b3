"""TLS to services in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
)
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, UpstreamTlsContext
from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from xds.translators.mesh_tls import secret, spell_bounds
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.view.names import credential, credential_authorities
from xds.wire.codec import pack

SYSTEM_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
_TLS: Final = "envoy.transport_sockets.tls"
_SPELLED: Final = (Mode.SIMPLE, Mode.MUTUAL)


def cluster(tls: UpstreamTls) -> Cluster:
    """The Cluster fragment: ``transport_socket``; nothing for DISABLE, nor for the mesh's own identities."""
    message = Cluster()
    if tls.mode not in _SPELLED:
        return message
    context = UpstreamTlsContext(sni=tls.sni)
    _spell(tls, context.common_tls_context)
    message.transport_socket.name = _TLS
    message.transport_socket.typed_config.CopyFrom(pack(context))
    return message


def _spell(tls: UpstreamTls, into: CommonTlsContext) -> None:
    spell_bounds(tls.bounds, into.tls_params)
    if tls.credential:
        _spell_credential(tls, into)
        return
    if tls.shown:
        into.tls_certificate_sds_secret_configs.append(secret(tls.shown))
    if tls.mode is Mode.MUTUAL:
        pair = into.tls_certificates.add()
        pair.certificate_chain.filename = tls.certificate
        pair.private_key.filename = tls.private_key
    if tls.verify:
        into.validation_context.CopyFrom(_validation(tls))


def _spell_credential(tls: UpstreamTls, into: CommonTlsContext) -> None:
    if tls.mode is Mode.MUTUAL or tls.shown:
        into.tls_certificate_sds_secret_configs.append(secret(tls.shown or credential(tls.credential)))
    if tls.verify:
        expected = into.combined_validation_context
        expected.default_validation_context.SetInParent()  # Envoy asks for it, empty or not
        _spell_names(tls, expected.default_validation_context)
        expected.validation_context_sds_secret_config.CopyFrom(secret(credential_authorities(tls.credential)))


def _validation(tls: UpstreamTls) -> CertificateValidationContext:
    message = CertificateValidationContext()
    if tls.bundle:
        message.trusted_ca.inline_bytes = tls.bundle
    else:
        message.trusted_ca.filename = tls.authorities or SYSTEM_AUTHORITIES
    if tls.revoked:
        message.crl.filename = tls.revoked
    _spell_names(tls, message)
    return message


def _spell_names(tls: UpstreamTls, message: CertificateValidationContext) -> None:
    for name in tls.names:
        kind = SubjectAltNameMatcher.URI if "://" in name else SubjectAltNameMatcher.DNS
        message.match_typed_subject_alt_names.add(san_type=kind).matcher.exact = name


def http_protocol_options(tls: UpstreamTls) -> HttpProtocolOptions:
    """The HttpProtocolOptions fragment: SNI, and the name to prove, from each request, where the rule names none."""
    message = HttpProtocolOptions()
    if tls.mode in _SPELLED and not tls.sni:
        message.upstream_http_protocol_options.auto_sni = True
    if tls.mode in _SPELLED and tls.verify and not tls.names:
        message.upstream_http_protocol_options.auto_san_validation = True
    return message
