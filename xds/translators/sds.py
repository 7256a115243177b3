"""Secrets that somebody gave by name: a certificate with its key, or authorities."""

from __future__ import annotations

from xds.api.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from xds.view.specs.resources import SecretSpec


def secret(spec: SecretSpec) -> Secret:
    """The Secret of ``spec``: ``tls_certificate`` where it has a key, else ``validation_context``."""
    message = Secret(name=spec.name)
    if spec.private_key:
        message.tls_certificate.certificate_chain.inline_bytes = spec.certificate
        message.tls_certificate.private_key.inline_bytes = spec.private_key
        return message
    message.validation_context.trusted_ca.inline_bytes = spec.authorities
    if spec.revoked:
        message.validation_context.crl.inline_bytes = spec.revoked
    return message
