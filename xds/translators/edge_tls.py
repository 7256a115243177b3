"""The TLS that a gateway ends, in Envoy's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
from xds.api.envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsParameters,
)
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext
from xds.model.gateway import EdgeTls, EdgeTlsMode
from xds.translators.mesh_tls import TLS, secret
from xds.view.specs.listeners import EdgeSocket
from xds.wire.codec import pack

_ALPN: Final = ("h2", "http/1.1")
_VERSIONS: Final = {
    "TLSv1_0": TlsParameters.TLSv1_0,
    "TLSv1_1": TlsParameters.TLSv1_1,
    "TLSv1_2": TlsParameters.TLSv1_2,
    "TLSv1_3": TlsParameters.TLSv1_3,
}


def edge_socket(spec: EdgeSocket) -> TransportSocket:
    """The transport of a chain whose TLS ends here; certificates by name come over the proxy's own stream."""
    context = DownstreamTlsContext()
    common = context.common_tls_context
    if spec.http:
        common.alpn_protocols.extend(_ALPN)
    _spell_bounds(spec.tls, common.tls_params)
    common.tls_certificate_sds_secret_configs.extend(secret(name) for name in spec.certificates)
    for certificate, key in spec.tls.pairs if not spec.certificates else ():
        pair = common.tls_certificates.add()
        pair.certificate_chain.filename = certificate
        pair.private_key.filename = key
    if spec.tls.mode in (EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL):
        context.require_client_certificate.value = spec.tls.mode is EdgeTlsMode.MUTUAL
        if spec.tls.verify:
            _spell_proof(spec, common)
    return TransportSocket(name=TLS, typed_config=pack(context))


def _spell_bounds(tls: EdgeTls, into: TlsParameters) -> None:
    into.tls_minimum_protocol_version = _VERSIONS[tls.bounds.minimum]
    into.tls_maximum_protocol_version = _VERSIONS[tls.maximum or "TLSv1_3"]
    if tls.bounds.minimum != "TLSv1_3":
        into.cipher_suites.extend(tls.bounds.ciphers)
    into.ecdh_curves.extend(tls.bounds.curves)


def _spell_proof(spec: EdgeSocket, into: CommonTlsContext) -> None:
    if not spec.authorities:
        into.validation_context.CopyFrom(_expected(spec.tls))
        return
    into.combined_validation_context.default_validation_context.CopyFrom(_expected(spec.tls))
    into.combined_validation_context.validation_context_sds_secret_config.CopyFrom(secret(spec.authorities))


def _expected(tls: EdgeTls) -> CertificateValidationContext:
    message = CertificateValidationContext(
        verify_certificate_spki=tls.spki,
        verify_certificate_hash=tls.hashes,
        match_typed_subject_alt_names=_names(tls.names),
    )
    if tls.unproven:
        message.trust_chain_verification = CertificateValidationContext.ACCEPT_UNTRUSTED
    if tls.authorities_file:
        message.trusted_ca.filename = tls.authorities_file
    if tls.revoked_file:
        message.crl.filename = tls.revoked_file
    return message


def _names(names: Iterable[str]) -> Iterable[SubjectAltNameMatcher]:
    for name in names:
        kind = SubjectAltNameMatcher.DNS
        if "://" in name:
            kind = SubjectAltNameMatcher.URI
        elif "@" in name:
            kind = SubjectAltNameMatcher.EMAIL
        matcher = SubjectAltNameMatcher(san_type=kind)
        matcher.matcher.exact = name
        yield matcher
