"""The TLS of a Gateway's server."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from xds.decoders.mesh_config import CIPHERS, CURVES
from xds.kinds.gateway import ServerTLSSettings
from xds.model.gateway import CredentialName, EdgeTls, EdgeTlsMode
from xds.model.refs import FieldRef
from xds.model.security import TlsBounds
from xds.translators.feature import Reading
from xds.view.names import OF_AUTHORITIES

_ENDING: Final = (EdgeTlsMode.SIMPLE, EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL)
_PROVING: Final = (EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL)
_VERSIONS: Final = ("TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
_MOST_CERTIFICATES: Final = 2
_HASH: Final = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")


def edge_tls(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> EdgeTls:
    """The TLS of a server that is no plain HTTP.

    Problems: gateway.certificate-missing, gateway.certificates, gateway.authorities-missing, gateway.certificate-pin,
    gateway.tls-versions, tls.field-excluded, tls.credential-name, gateway.cipher-unknown, gateway.verify-none.
    Source: istio networking/v1 ServerTLSSettings.
    """
    mode = EdgeTlsMode(spec.mode)
    credentials = _credentials(spec, at, reading)
    pairs = _pairs(spec, at, reading)
    if mode in _ENDING:
        _check_certificates(spec, (credentials, pairs), at, reading)
    else:
        _check_excluded(spec, at, reading)
    if mode in _PROVING:
        _check_proof(spec, bool(credentials), at, reading)
    _check_pins(spec, mode, at, reading)
    authorities = spec.ca_cert_credential_name
    return EdgeTls(
        mode=mode,
        certificates=credentials if mode in _ENDING else (),
        authorities=CredentialName(authorities) if authorities and mode in _PROVING else None,
        pairs=pairs if mode in _ENDING and not credentials else (),
        authorities_file=_authorities_file(spec) if mode in _PROVING else "",
        revoked_file=spec.ca_crl if mode in _PROVING else "",
        names=tuple(sorted(set(spec.subject_alt_names))),
        spki=spec.verify_certificate_spki,
        hashes=spec.verify_certificate_hash,
        bounds=_bounds(spec, at, reading),
        maximum=_version(spec.max_protocol_version),
        verify=not spec.insecure_skip_verify,
    )


def _credentials(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> tuple[CredentialName, ...]:
    if spec.credential_name and spec.credential_names:
        reading.error(at / "credentialNames", "tls.field-excluded", "must be absent beside credentialName")
    if len(spec.credential_names) > _MOST_CERTIFICATES:
        reading.error(at / "credentialNames", "gateway.certificates", "must be two at most, one RSA and one ECDSA")
    named = [(spec.credential_name, at / "credentialName")] if spec.credential_name else []
    named += [(name, at / "credentialNames" / index) for index, name in enumerate(spec.credential_names)]
    for name, here in named:
        if not name or name.endswith(OF_AUTHORITIES) or "/" in name:
            message = f"must be the name of a Secret of the router's namespace, not ending in {OF_AUTHORITIES}"
            reading.error(here, "tls.credential-name", f"{message}; is {name!r}")
    return tuple(CredentialName(name) for name, _ in named)


def _pairs(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> tuple[tuple[str, str], ...]:
    if spec.tls_certificates and (spec.server_certificate or spec.private_key):
        message = "must be absent beside serverCertificate and privateKey"
        reading.error(at / "tlsCertificates", "tls.field-excluded", message)
    if len(spec.tls_certificates) > _MOST_CERTIFICATES:
        reading.error(at / "tlsCertificates", "gateway.certificates", "must be two at most, one RSA and one ECDSA")
    stated = [(spec.server_certificate, spec.private_key, at)] if spec.server_certificate or spec.private_key else []
    stated += [
        (each.server_certificate, each.private_key, at / "tlsCertificates" / index)
        for index, each in enumerate(spec.tls_certificates)
    ]
    for certificate, key, here in stated:
        missing = "serverCertificate" if not certificate else "" if key else "privateKey"
        if missing:
            reading.error(here / missing, "gateway.certificate-missing", "must name a file: both, or neither")
    return tuple((certificate, key) for certificate, key, _ in stated)


def _authorities_file(spec: ServerTLSSettings) -> str:
    return spec.ca_certificates or next((each.ca_certificates for each in spec.tls_certificates), "")


def _check_certificates(
    spec: ServerTLSSettings,
    given: tuple[tuple[CredentialName, ...], tuple[tuple[str, str], ...]],
    at: FieldRef,
    reading: Reading,
) -> None:
    credentials, pairs = given
    if not credentials and not pairs:
        message = f"must be set with mode {spec.mode} (or serverCertificate and privateKey)"
        reading.error(at / "credentialName", "gateway.certificate-missing", message)
    if credentials and pairs:
        message = "must be absent beside a credential"
        reading.error(at / "serverCertificate", "tls.field-excluded", message)


def _check_excluded(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> None:
    for name, value in _stated(spec):
        if value:
            message = f"must be absent with mode {spec.mode}, which uses none"
            reading.error(at / name, "tls.field-excluded", message)


def _stated(spec: ServerTLSSettings) -> Iterator[tuple[str, object]]:
    yield "credentialName", spec.credential_name
    yield "credentialNames", spec.credential_names
    yield "serverCertificate", spec.server_certificate
    yield "privateKey", spec.private_key
    yield "caCertificates", spec.ca_certificates
    yield "caCertCredentialName", spec.ca_cert_credential_name
    yield "tlsCertificates", spec.tls_certificates


def _check_proof(spec: ServerTLSSettings, by_credential: bool, at: FieldRef, reading: Reading) -> None:
    if by_credential or spec.ca_cert_credential_name or spec.insecure_skip_verify:
        return
    if not _authorities_file(spec):
        message = f"must name the file of the CAs that vouch for clients with mode {spec.mode}"
        reading.error(at / "caCertificates", "gateway.authorities-missing", message)


def _check_pins(spec: ServerTLSSettings, mode: EdgeTlsMode, at: FieldRef, reading: Reading) -> None:
    for index, text in enumerate(spec.verify_certificate_spki):
        if not _is_digest(text):
            message = f"must be the base64 of a SHA-256, is {text!r}"
            reading.error(at / "verifyCertificateSpki" / index, "gateway.certificate-pin", message)
    for index, text in enumerate(spec.verify_certificate_hash):
        if not _HASH.fullmatch(text):
            message = f"must be a SHA-256 in hex, is {text!r}"
            reading.error(at / "verifyCertificateHash" / index, "gateway.certificate-pin", message)
    asked = {
        "subjectAltNames": spec.subject_alt_names,
        "verifyCertificateSpki": spec.verify_certificate_spki,
        "verifyCertificateHash": spec.verify_certificate_hash,
        "caCrl": spec.ca_crl,
        "insecureSkipVerify": spec.insecure_skip_verify,
    }
    proving = (*_PROVING, EdgeTlsMode.ISTIO_MUTUAL)
    for name, value in asked.items():
        if value and mode not in (proving if name == "subjectAltNames" else _PROVING):
            message = f"has no effect with mode {spec.mode}, which asks clients for no such certificate"
            reading.warning(at / name, "gateway.verify-none", message)
    if spec.insecure_skip_verify and spec.subject_alt_names:
        message = "must not stand beside subjectAltNames, which it would ignore"
        reading.error(at / "insecureSkipVerify", "tls.verify-none", message)


def _is_digest(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _bounds(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> TlsBounds:
    minimum, maximum = _version(spec.min_protocol_version) or "TLSv1_2", _version(spec.max_protocol_version)
    if maximum and maximum < minimum:
        message = f"must not be older than the oldest version that is taken, which is {minimum}"
        reading.error(at / "maxProtocolVersion", "gateway.tls-versions", message)
    return TlsBounds(
        minimum,
        _known(spec.cipher_suites, CIPHERS, at / "cipherSuites", reading),
        _known(spec.ecdh_curves, CURVES, at / "ecdhCurves", reading),
    )


def _known(stated: tuple[str, ...], known: frozenset[str], at: FieldRef, reading: Reading) -> tuple[str, ...]:
    for index, name in enumerate(stated):
        if name not in known:
            message = f"{name!r} is left out: it is none of {', '.join(sorted(known))}"
            reading.warning(at / index, "gateway.cipher-unknown", message)
    return tuple(dict.fromkeys(name for name in stated if name in known))


def _version(text: str) -> str:
    return f"TLSv1_{text[-1]}" if text in _VERSIONS else ""
