"""What a failed TLS handshake with an upstream means: BoringSSL's words, and whose certificate or rule that is.

Source: by experiment with Envoy 1.40, ``upstream_transport_failure_reason``.
"""

from __future__ import annotations

import re
from typing import Final

from xds.explain.failures.known import Known
from xds.model.policy import Encrypting
from xds.model.refs import FieldRef
from xds.translators.upstream_tls.policy import UpstreamTls

_NOISE: Final = re.compile(r"TLS_error_end|TLS_error:?\|?|\d+:SSL routines:OPENSSL_internal:|X509_verify_cert: ")
# What it says of the server's certificate, whatever its callers' rule says.
_OF_SERVER: Final = ("has expired", "not yet valid", "revoked", "HANDSHAKE_FAILURE", "INTERNAL_ERROR")
_FIELDS: Final = (
    ("SAN", "subjectAltNames"),
    ("local issuer", "caCertificates"),
    ("self-signed", "caCertificates"),
    ("self signed", "caCertificates"),
    ("WRONG_VERSION_NUMBER", "mode"),
    ("HTTP_REQUEST", "mode"),
    ("CERTIFICATE_REQUIRED", "clientCertificate"),
)


def tls_cause(reason: str, known: Known) -> tuple[str, tuple[FieldRef, ...]]:
    """What went wrong, in words, and whose fault that is: the server's, or that of the rule which asks for this TLS."""
    says = (
        _NOISE.sub("", reason).strip(" :|").replace("WRONG_VERSION_NUMBER", "WRONG_VERSION_NUMBER (it speaks no TLS)")
    )
    server = known.upstream or (known.service.ref if known.service is not None else None)
    of_server = (FieldRef(server),) if server is not None else ()
    field = next((field for words, field in _FIELDS if words in reason), "")
    rule = known.rule_field(UpstreamTls, f"tls.{field}" if field else "tls") if _by_rule(known) else ()
    if any(words in reason for words in _OF_SERVER):
        return says, (*of_server, *rule)
    return says, (*rule, *of_server)


def _by_rule(known: Known) -> bool:
    return known.cluster is not None and bool(known.cluster.policies.that(Encrypting))
